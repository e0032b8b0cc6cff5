//! Every sort of netfilter link, attached through its type with every option that it has.

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{NetfilterAttach, NetfilterFamily, NetfilterHook};
use serde_json::json;

use crate::fixture::traffic::{send_packet, send_packet_over_ipv6};
use crate::harness::{Need, Test, test};
use crate::suites::sorts::{SubKind, two};

/// What puts the fragments of IPv4 packets together, which some kernels have as a module.
const DEFRAGMENTATION: &[Need] = &[Need::Function("nf_defrag_ipv4_enable"), Need::Linux(6, 6)];

pub(crate) const TESTS: &[Test] = &[
    test!(ipv4).needs(Need::NETFILTER),
    test!(ipv6).needs(Need::NETFILTER),
    test!(defragmented)
        .needs(Need::NETFILTER)
        .also_needs(DEFRAGMENTATION),
];

fn check(
    sandbox: &Sandbox,
    to: &NetfilterAttach,
    (family, hook, priority, flags): (u32, u32, i32, &str),
    event: fn() -> Result<()>,
) -> Result<()> {
    SubKind {
        sandbox,
        programs: two(Hook::NETFILTER)?,
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            Ok(json!({ "family": family, "hook": hook, "priority": priority, "flags": flags }))
        },
        event: &|_| event(),
    }
    .check()
}

fn ipv4(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::PostRouting;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, hook, -10_000);
    check(sandbox, &to, (2, 4, -10_000, ""), send_packet)
}

fn ipv6(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::LocalIn;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv6, hook, 10_001);
    check(sandbox, &to, (10, 1, 10_001, ""), send_packet_over_ipv6)
}

fn defragmented(sandbox: &Sandbox) -> Result<()> {
    let hook = NetfilterHook::PreRouting;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, hook, -399).defragmented();
    check(sandbox, &to, (2, 0, -399, "IP_DEFRAG"), send_packet)
}
