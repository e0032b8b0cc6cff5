//! The probes that tests are skipped by: each can say yes, and can say no.

use anyhow::{Result, ensure};
use bpf_link_tests::Sandbox;

use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(what_every_machine_has), test!(what_no_machine_has)];

fn what_every_machine_has(_sandbox: &Sandbox) -> Result<()> {
    for need in [
        Need::Constant("bpf_attach_type", "BPF_XDP"),
        Need::Member("bpf_link_info", "xdp"),
        Need::Function("bpf_link_new_fd"),
        Need::Iterator("task"),
        Need::FileSystem("proc"),
        Need::Linux(5, 8),
    ] {
        let missing = need.missing()?;
        ensure!(missing.is_none(), "{need:?}: {missing:?}");
    }
    Ok(())
}

fn what_no_machine_has(_sandbox: &Sandbox) -> Result<()> {
    for need in [
        Need::Constant("bpf_attach_type", "BPF_NOTHING"),
        Need::Constant("bpf_nothing", "BPF_XDP"),
        Need::Member("bpf_link_info", "nothing"),
        Need::Member("bpf_nothing", "xdp"),
        Need::Function("bpf_nothing"),
        Need::Iterator("nothing"),
        Need::FileSystem("nothing"),
        Need::Command("no-such-command"),
        Need::Linux(1000, 0),
    ] {
        ensure!(need.missing()?.is_some(), "{need:?} is said to be there");
    }
    Ok(())
}
