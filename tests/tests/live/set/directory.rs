//! The directory of a set: made with its mode, refused where others can write, and removed again.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use bpf_link::Exposure;
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{Error, LinkSet, XdpAttach};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(made_or_not), test!(open_to_others)];

/// It gets its mode, and a set that is refused removes it again.
fn made_or_not(sandbox: &Sandbox) -> Result<()> {
    let outer = sandbox.bpffs().join("agents");
    let directory = outer.join("agent");
    let program = Program::passing(Hook::XDP)?;
    let set = |device: &'static str| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add("device", XdpAttach::to(device), &program)?;
        Ok(set)
    };
    ensure!(set("none0")?.apply().is_err() && !outer.exists());
    let set = set("lo")?;
    ensure!(set.plan()?.directories == [&*outer, &*directory]);
    ensure!(!outer.exists());
    let applied = set.apply()?;
    for made in [&outer, &directory] {
        let mode = metadata(made)?.permissions().mode() & 0o7777;
        ensure!(mode == 0o700, "{}: {mode:o}", made.display());
    }
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// A plan is refused as well.
fn open_to_others(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    set_permissions(&directory, Permissions::from_mode(0o777))?;
    let program = Program::passing(Hook::XDP)?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("lo", XdpAttach::to("lo"), &program)?;
    for refused in [set.plan().err(), set.apply().err()] {
        let Some(Error::Link(bpf_link::Error::Exposed { path, how })) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(*path == directory && *how == Exposure::Writable);
    }
    ensure!(our_links()?.is_empty());
    ensure_nothing_left(sandbox)
}
