//! Links of which the kernel does not report all options.

use anyhow::{Result, ensure};
use bpf_link_tests::{Hook, Loader, Sandbox, own_code};
use bpf_link_typed::{
    Attach as _, UprobeMultiAttach,
    attach::When,
    ensure::{Outcome, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(a_uprobe_of_every_process).needs(Need::UPROBE_MULTI)];

/// The kernel reports process 0 for every process, and for one that has exited.
fn a_uprobe_of_every_process(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let offsets = [offset_of(first)?];
    let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).ensure_pinned(&pin);
    let load = || Loader::new(Hook::UPROBE_MULTI).passing();
    let (program, other) = (load()?, load()?);
    let id = to.run(&program)?.link.id()?;
    let done = to.run(&program)?;
    ensure!(
        matches!(
            done.outcome,
            Outcome::Replaced {
                why: Why::NotReported,
                gap: false,
                ..
            }
        ),
        "{done:?}"
    );
    let plan = to.plan(&program)?.to_string();
    ensure!(
        plan.ends_with("because the kernel does not report all of its options"),
        "{plan}"
    );
    let replaced = done.link.id()?;
    drop(done);
    ensure!(replaced != id);

    let to = to.keep_unreported();
    let done = to.run(&program)?;
    ensure!(done.outcome == Outcome::AlreadyRunning && done.link.id()? == replaced);
    drop(done);
    ensure_one_link_and_pin(sandbox, &pin)?;
    // Another program is what was asked for all the same.
    let done = to.run(&other)?;
    ensure!(
        matches!(
            done.outcome,
            Outcome::Replaced {
                why: Why::NotUpdatable,
                ..
            }
        ),
        "{done:?}"
    );
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
