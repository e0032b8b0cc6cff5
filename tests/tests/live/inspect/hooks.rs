//! What is attached to a device, a cgroup, a network namespace or a map, compared with what was
//! attached.

mod cgroup;
mod device;
mod elsewhere;
mod netns;
mod sockmap;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, SnapshotMethod, Snapshotter};
use bpf_link_tests::Program;
use bpf_link_typed::inspect::hooks::{AttachedBy, AttachedProgram, HookInspector, PlaceHooks};

use crate::harness::Listed::{self, Tests};

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(cgroup::TESTS),
    Tests(device::TESTS),
    Tests(elsewhere::TESTS),
    Tests(netns::TESTS),
    Tests(sockmap::TESTS),
];

/// The sort of hook, the program and what it is attached by, as an answer has them.
type Line = (String, u32, AttachedBy);

fn lines(hooks: &PlaceHooks) -> Vec<Line> {
    hooks.programs.iter().map(line).collect()
}

fn line(program: &AttachedProgram) -> Line {
    let id = program.program_id.get();
    (program.point.to_string(), id, program.by.clone())
}

/// What a line should be.
fn expected(hook: &str, program: &Program, by: AttachedBy) -> Result<Line> {
    Ok((hook.to_owned(), program.id()?, by))
}

/// Checks that an answer has what was attached, and no note.
fn check(hooks: &PlaceHooks, wanted: &[Line]) -> Result<()> {
    ensure!(hooks.notes.is_empty(), "{:?}", hooks.notes);
    ensure!(lines(hooks) == wanted, "{hooks:#?} and not {wanted:#?}");
    for program in &hooks.programs {
        let info = program.info.as_ref().context("no info")?;
        let name = program.name.as_ref().context("no name")?;
        let kept = info.name.to_bytes();
        ensure!(info.id == program.program_id && name.to_bytes().starts_with(kept));
    }
    Ok(())
}

/// What the answer has for a link whose network namespace only a snapshot reports.
fn by_link_in_a_namespace(link: LinkId) -> Result<AttachedBy> {
    let best = Snapshotter::load()?.method();
    let tells = matches!(best, SnapshotMethod::TypedCast | SnapshotMethod::ProbeRead);
    Ok(if tells {
        AttachedBy::Link(link)
    } else {
        AttachedBy::Unknown(vec![link])
    })
}

/// An inspector that does without snapshots.
fn by_walk() -> Result<HookInspector> {
    let walk = Snapshotter::load_at_most(SnapshotMethod::Walk)?;
    Ok(HookInspector::with(walk))
}
