//! netfilter links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{NetfilterAttach, NetfilterFamily, NetfilterHook};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::NETFILTER)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let at =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, priority);
    check_places(
        sandbox,
        Hook::NETFILTER,
        [at(-10_000), at(-9_999)],
        &|_| send_packet(),
        Way::OldFirst,
    )
}
