//! `kprobe_multi` links over restarts and upgrades.

use std::ffi::CStr;

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox};
use bpf_link_typed::{KernelFunctions, KprobeMultiAttach, attach::When};

use crate::ensure::places::{ANOTHER_HOOK, is_linux, kept_since};
use crate::ensure::suite::{Again, Call, Subject, Way, check};
use crate::functions::kernel::{SYMBOLS, address_of, call_all};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

// On an emulated processor that others use too, each attachment takes seconds.
pub(crate) const TESTS: &[Test] = &[
    test!(over_restarts).needs(Need::KPROBE_MULTI).minutes(10),
    test!(by_address).needs(Need::KPROBE_MULTI).minutes(10),
    test!(by_pattern).needs(Need::KPROBE_MULTI).minutes(10),
];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    kprobe_multi_at(
        sandbox,
        &KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS),
        // The kernel tells addresses, and no symbols.
        Again::Replaced { gap: false },
    )
}

fn by_address(sandbox: &Sandbox) -> Result<()> {
    let addresses = SYMBOLS.map(address_of);
    let [a, b, c] = addresses;
    let addresses = [a?, b?, c?];
    kprobe_multi_at(
        sandbox,
        &KprobeMultiAttach::to_addresses(When::Entry, addresses).cookies([3, 2, 1]),
        kept_since(6, 9, false)?,
    )
}

fn by_pattern(sandbox: &Sandbox) -> Result<()> {
    let kernel = KernelFunctions::traceable_in(sandbox.tracefs()?)?;
    let functions = kernel.functions_matching("__*_sys_get?id")?;
    kprobe_multi_at(
        sandbox,
        &KprobeMultiAttach::to_functions(When::Entry, functions),
        kept_since(6, 9, false)?,
    )
}

fn kprobe_multi_at(sandbox: &Sandbox, here: &KprobeMultiAttach<'_>, again: Again) -> Result<()> {
    const FEWER: &[&CStr] = &[SYMBOLS[0]];
    let elsewhere = KprobeMultiAttach::to_symbols(When::Entry, FEWER);
    let elsewhere: Call<'_> = &|how, path, program| how.run(elsewhere.clone(), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 6)?.then_some((elsewhere, ANOTHER_HOOK)),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::KPROBE_MULTI).in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| {
                call_all();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}
