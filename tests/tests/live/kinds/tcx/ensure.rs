//! tcx links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{TcxAttach, TcxHook};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::LOOPBACK;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::TCX)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let here = TcxAttach::to("lo", TcxHook::Ingress);
    let elsewhere = TcxAttach::to(LOOPBACK, TcxHook::Egress);
    check_places(
        sandbox,
        Hook::TCX_INGRESS,
        [here, elsewhere],
        &|_| send_packet(),
        Way::InPlace,
    )
}
