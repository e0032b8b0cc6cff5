//! netns links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Netns, Sandbox};
use bpf_link_typed::{FileRef, NetnsAttach, NetnsHook};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::LOOPBACK;
use crate::fixture::traffic::{send_frame, send_packet};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(flow_dissector).alone(), test!(sk_lookup)];

fn sk_lookup(sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let here = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
    let elsewhere = NetnsAttach::to(FileRef::fd(&other), NetnsHook::SkLookup);
    check_places(
        sandbox,
        Hook::SK_LOOKUP,
        [here, elsewhere],
        &|_| send_packet(),
        Way::InPlace,
    )
}

fn flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let here = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::FlowDissector);
    let elsewhere = NetnsAttach::to(FileRef::fd(&other), NetnsHook::FlowDissector);
    check_places(
        sandbox,
        Hook::FLOW_DISSECTOR,
        [here, elsewhere],
        &|_| send_frame(LOOPBACK, LOOPBACK),
        Way::OnlyInPlace,
    )
}
