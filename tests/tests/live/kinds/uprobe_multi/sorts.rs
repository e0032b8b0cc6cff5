//! Every sort of `uprobe_multi` link, attached through its type with every option that it has.

use std::fs::File;

use anyhow::Result;
use bpf_link_tests::{Hook, Sandbox, own_code};
use bpf_link_typed::{FileRef, UprobeMultiAttach, attach::When};
use serde_json::json;

use crate::functions::own::{call_each, counters, offsets};
use crate::harness::{Need, Test, test};
use crate::suites::sorts::{COOKIES, SubKind, counting_here};

const UPROBE_SESSION: &[Need] = &[Need::Constant(
    "bpf_attach_type",
    "BPF_TRACE_UPROBE_SESSION",
)];

/// Two links with different reference counters cannot be on one place of a file at the same time,
/// and all tests are in one file: those that are on places of a file run alone.
pub(crate) const TESTS: &[Test] = &[
    test!(uprobes).alone().needs(Need::UPROBE_MULTI),
    test!(uprobes_by_descriptor)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(7, 2)]),
    test!(uprobe_sessions)
        .alone()
        .needs(Need::UPROBE_MULTI)
        .also_needs(UPROBE_SESSION),
    test!(uretprobes).alone().needs(Need::UPROBE_MULTI),
];

fn many_uprobes(
    sandbox: &Sandbox,
    file: FileRef<'_>,
    (hook, when, flags): (Hook, When, &str),
) -> Result<()> {
    let (offsets, [counter, ..]) = (offsets()?, counters()?);
    let (references, pid) = ([counter, 0, 0], std::process::id());
    let to = UprobeMultiAttach::to(file, when, offsets).ref_ctr_offsets(references);
    let to = to.cookies(COOKIES).pid(pid);
    let path = std::fs::read_link(own_code::FILE)?;
    SubKind {
        sandbox,
        programs: [counting_here(hook)?, counting_here(hook)?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            Ok(json!({
                "path": path, "count": 3, "offsets": offsets, "ref_ctr_offsets": references, "cookies": COOKIES,
                "flags": flags, "pid": pid,
            }))
        },
        event: &|_| {
            call_each();
            Ok(())
        },
    }
    .check()
}

fn uprobes(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_MULTI, When::Entry, "");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}

fn uprobes_by_descriptor(sandbox: &Sandbox) -> Result<()> {
    let file = File::open(own_code::FILE)?;
    let sort = (Hook::UPROBE_MULTI, When::Entry, "PATH_FD");
    many_uprobes(sandbox, FileRef::fd(&file), sort)
}

fn uretprobes(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_MULTI, When::Return, "RETURN");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}

/// The kernel does not say that it is a session.
fn uprobe_sessions(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::UPROBE_SESSION, When::Session, "");
    many_uprobes(sandbox, own_code::FILE.into(), sort)
}
