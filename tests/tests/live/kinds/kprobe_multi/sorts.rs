//! Every sort of `kprobe_multi` link, attached through its type with every option that it has.

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{KprobeMultiAttach, attach::When};
use serde_json::json;

use crate::functions::kernel::{SYMBOLS, address_of, call_all};
use crate::harness::{Need, Test, test};
use crate::suites::sorts::{COOKIES, SubKind, counting_here};

pub(crate) const TESTS: &[Test] = &[
    test!(kprobes).needs(Need::KPROBE_MULTI),
    test!(kprobe_sessions)
        .needs(Need::KPROBE_MULTI)
        .also_needs(Need::KPROBE_SESSION),
    test!(kretprobes).needs(Need::KPROBE_MULTI),
];

/// By symbols and by addresses, which the kernel sorts.
fn many_kprobes(sandbox: &Sandbox, (hook, when, flags): (Hook, When, &str)) -> Result<()> {
    let [a, b, c] = SYMBOLS;
    let addresses = [address_of(a)?, address_of(b)?, address_of(c)?];
    let mut sorted: Vec<(u64, u64)> = addresses.into_iter().zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u64>, Vec<u64>) = sorted.into_iter().unzip();
    for to in [
        KprobeMultiAttach::to_symbols(when, &SYMBOLS),
        KprobeMultiAttach::to_addresses(when, addresses),
    ] {
        SubKind {
            sandbox,
            programs: [counting_here(hook)?, counting_here(hook)?],
            attach: &|program| Ok(to.clone().cookies(COOKIES).attach(program)?.into()),
            info: &|_| {
                Ok(json!({
                    "count": 3, "addresses": { "visible": sorted }, "cookies": cookies, "flags": flags, "missed": 0,
                }))
            },
            event: &|_| {
                call_all();
                Ok(())
            },
        }
        .check()?;
    }
    Ok(())
}

fn kprobes(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_MULTI, When::Entry, ""))
}

fn kretprobes(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_MULTI, When::Return, "RETURN"))
}

/// The kernel does not say that it is a session.
fn kprobe_sessions(sandbox: &Sandbox) -> Result<()> {
    many_kprobes(sandbox, (Hook::KPROBE_SESSION, When::Session, ""))
}
