//! cgroup links over restarts and upgrades.

use anyhow::{Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{Attach as _, CgroupAttach, CgroupHook, Error, FileRef, ensure::Outcome};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::send_packet;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts), test!(what_is_not_a_cgroup)];

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

/// The root of each file system has inode 1, and so has that of cgroup2; and a namespace has a
/// number of the sort that cgroups have.
fn what_is_not_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("root");
    let program = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let another = Program::passing(Hook::CGROUP_SOCK_CREATE)?;
    let hook = CgroupHook::InetSockCreate;
    let root = CgroupAttach::to(sandbox.cgroup_root()?, hook).ensure_pinned(&pin);
    root.run(&program)?;
    let tmpfs = sandbox.directory().to_str().unwrap_or_default();
    for path in ["/proc", "/proc/self/ns/net", tmpfs] {
        let wrong = CgroupAttach::to(path, hook).ensure_pinned(&pin);
        for program in [&program, &another] {
            let refused = wrong.run(program);
            ensure!(
                matches!(refused, Err(Error::NotACgroup { .. })),
                "{path}: {refused:?}"
            );
        }
    }
    let done = root.run(&program)?;
    ensure!(done.outcome == Outcome::AlreadyRunning, "{done:?}");
    done.link.detach_and_unpin()?;
    Ok(())
}
