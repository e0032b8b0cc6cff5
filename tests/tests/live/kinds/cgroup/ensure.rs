//! cgroup links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{CgroupAttach, CgroupHook, FileRef};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::send_packet;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, other) = (sandbox.new_cgroup("here")?, sandbox.new_cgroup("there")?);
    let here = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let elsewhere = CgroupAttach::to(FileRef::fd(&other), CgroupHook::InetEgress);
    check_places(
        sandbox,
        Hook::CGROUP_EGRESS,
        [here, elsewhere],
        &|_| cgroup.inside(send_packet),
        Way::InPlace,
    )
}
