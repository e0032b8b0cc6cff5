//! A plan changes nothing, and the run after it does what the plan said.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link::PinLock;
use bpf_link_tests::{Hook, Map, Program, Sandbox, names, pins};
use bpf_link_typed::{
    Attach as _, AttachProgram, CgroupAttach, CgroupHook, Ensure, Error, Link, LinkInfo, LinkKind,
    RawTracepointAttach, XdpAttach,
    ensure::{Attached, Gap, Ours, Outcome, Plan, Planned, Why},
};

use crate::ensure::end::{Done, ensure_nothing_left, our_links, temporary};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(generic_code_attaches),
    test!(in_words),
    test!(only_an_attempt_tells),
    test!(what_is_refused),
];

/// What a plan must leave as it is.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// What is below the first directory that there is on the way to the pin: its path and inode.
    entries: BTreeSet<(PathBuf, u64)>,
    /// What runs by the links that are pinned.
    running: Vec<Option<Attached>>,
}

impl State {
    fn at(path: &Path) -> Result<Self> {
        let there = path.ancestors().skip(1).find(|parent| parent.is_dir());
        let mut entries = BTreeSet::new();
        list(there.context("the root is there")?, &mut entries)?;
        let links = entries
            .iter()
            .filter_map(|(path, _)| Link::from_pinned(path).ok());
        let running = links.map(|link| Ok(attached(&link.info()?)));
        Ok(Self {
            running: running.collect::<Result<_>>()?,
            entries,
        })
    }
}

fn list(directory: &Path, entries: &mut BTreeSet<(PathBuf, u64)>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), entries)?;
        }
        entries.insert((entry.path(), entry.path().symlink_metadata()?.ino()));
    }
    Ok(())
}

fn attached(info: &LinkInfo) -> Option<Attached> {
    match info {
        LinkInfo::StructOps(info) => info.map_id.map(Attached::Map),
        info => info.program_id().map(Attached::Program),
    }
}

/// Makes a plan, while somebody else has the lock, and makes sure that nothing has changed.
pub(crate) fn changing_nothing<P>(
    path: &Path,
    plan: impl FnOnce() -> bpf_link_typed::Result<P>,
) -> Result<bpf_link_typed::Result<P>> {
    let lock = PinLock::of(path).ok();
    let (before, links_before) = (State::at(path)?, our_links()?);
    let plan = plan();
    let (after, links_after) = (State::at(path)?, our_links()?);
    drop(lock);
    ensure!(
        before == after,
        "the plan has changed {before:?} to {after:?}"
    );
    // What had lost its last pin before may have gone meanwhile.
    let is_new = |link: &u32| !links_before.contains(link);
    ensure!(!links_after.iter().any(is_new), "the plan has made a link");
    Ok(plan)
}

/// Makes a plan, then does it, and makes sure that what was done is what was planned.
///
/// # Panics
///
/// If it is not.
pub(crate) fn run_as_planned(
    path: &Path,
    make: impl FnOnce() -> bpf_link_typed::Result<Plan>,
    run: impl FnOnce() -> bpf_link_typed::Result<Done>,
) -> bpf_link_typed::Result<Done> {
    let plan = changing_nothing(path, make).expect("the plan changes nothing");
    let done = run();
    match (&plan, &done) {
        (Ok(plan), Ok(done)) => {
            assert!(is_fulfilled(plan, done), "{plan:?}, but {done:?}");
        }
        (Err(plan), Err(done)) => assert_eq!(plan.to_string(), done.to_string()),
        // Whether the kernel takes the program, only an attempt tells.
        (Ok(_), Err(_)) => {}
        (Err(plan), Ok(done)) => panic!("{plan:?}, but {done:?}"),
    }
    done
}

fn is_fulfilled(plan: &Plan, done: &Done) -> bool {
    plan.left_over == done.left_over
        && plan.directories.iter().all(|directory| directory.is_dir())
        && is_done(&plan.planned, done, None)
}

fn is_done(planned: &Planned, done: &Done, taken_over: Option<bpf_link_typed::LinkId>) -> bool {
    let is_of = |link| done.link.id().is_ok_and(|id| id == link);
    match (planned, done.outcome) {
        (Planned::TakeOver { link, then }, _) => is_done(then, done, Some(*link)),
        (Planned::Attempt { if_free, if_taken }, _) => {
            is_done(if_free, done, taken_over) || is_done(if_taken, done, taken_over)
        }
        _ if done.taken_over != taken_over => false,
        (Planned::Create, Outcome::Created) => true,
        (Planned::Keep { link }, Outcome::AlreadyRunning) => is_of(*link),
        (Planned::Update { link, previous }, Outcome::Updated { previous: found }) => {
            is_of(*link) && *previous == Some(found)
        }
        // The kernel has not put this program on that link.
        (
            Planned::Update { previous, .. },
            Outcome::Replaced {
                why: Why::NotUpdatable,
                previous: found,
                ..
            },
        ) => matches!(done.link.kind(), LinkKind::Xdp | LinkKind::StructOps) && *previous == found,
        (
            Planned::Replace {
                why, previous, gap, ..
            },
            Outcome::Replaced {
                why: found_why,
                previous: found,
                gap: has_gap,
                ..
            },
        ) => {
            let is_gap = match gap {
                Gap::No => !has_gap,
                Gap::Yes => has_gap,
                _ => true,
            };
            *why == found_why && *previous == found && is_gap
        }
        _ => false,
    }
}

/// What the plan says in words; then it is done.
fn said<A>(to: &Ensure<A>, path: &Path, program: &Program) -> Result<String>
where
    A: AttachProgram<Link: Into<Link>>,
{
    let mut words = String::new();
    let make = || {
        let plan = to.plan(program)?;
        words = plan.to_string();
        Ok(plan)
    };
    run_as_planned(path, make, || Ok(to.run(program)?.into()))?;
    Ok(words)
}

fn in_words(sandbox: &Sandbox) -> Result<()> {
    let (here, there) = (sandbox.new_cgroup("here")?, sandbox.new_cgroup("there")?);
    let [first, second] = [
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    ];
    let directory = sandbox.bpffs().join("agent");
    let path = directory.join("pin");
    let at = |cgroup| CgroupAttach::to(cgroup, CgroupHook::InetEgress);
    let to = at(here.path()).ensure_pinned(&path).create_parents(0o700);
    let other = at(there.path()).ensure_pinned(&path);

    let words = said(&to, &path, &first)?;
    ensure!(
        words == format!("make directory {}; create a link", directory.display()),
        "{words}"
    );
    let id = Link::from_pinned(&path)?.id()?;
    let words = said(&to, &path, &first)?;
    ensure!(
        words == format!("keep link {id}, which already runs the program"),
        "{words}"
    );
    let words = said(&to, &path, &second)?;
    ensure!(
        words == format!("update link {id}, replacing program {}", first.id()?),
        "{words}"
    );
    let words = said(&other, &path, &second)?;
    ensure!(
        words == format!("replace link {id} without a gap, because it is on another hook"),
        "{words}"
    );
    let id = Link::from_pinned(&path)?.id()?;
    Link::from_pinned(&path)?.detach()?;
    let words = said(&to, &path, &second)?;
    ensure!(
        words == format!("replace link {id} without a gap, because its hook has gone"),
        "{words}"
    );

    // What a run that was killed has left.
    let id = Link::from_pinned(&path)?.id()?;
    std::fs::rename(&path, temporary(&path)?)?;
    let words = said(&to, &path, &second)?;
    ensure!(
        words
            == format!(
                "pin the link that a killed run left; \
                 keep link {id}, which already runs the program"
            ),
        "{words}"
    );
    let other = path.with_file_name("other");
    let beside = at(there.path()).ensure_pinned(&other);
    beside.run(&first)?;
    std::fs::rename(&other, temporary(&path)?)?;
    let words = said(&to, &path, &first)?;
    ensure!(
        words
            == format!(
                "remove the link that a killed run left; \
                 update link {id}, replacing program {}",
                second.id()?
            ),
        "{words}"
    );

    // A link of ours without its pin.
    let held = Link::from_pinned(&path)?;
    std::fs::remove_file(&path)?;
    let name = std::ffi::CString::new(names::object_name("prog"))?;
    let finding = to.clone().take_over(Ours::by_name(&name));
    let words = said(&finding, &path, &first)?;
    ensure!(
        words
            == format!(
                "pin link {id}, which is ours; keep link {id}, which already runs the program"
            ),
        "{words}"
    );
    drop(held);

    // Something else.
    Link::from_pinned(&path)?.detach_and_unpin()?;
    pins::pin(&Map::array(4, 1)?, &path)?;
    let words = said(&to.clone().replace_other(), &path, &first)?;
    ensure!(
        words == "replace what is pinned without a gap, because it is something else",
        "{words}"
    );
    Link::from_pinned(&path)?.detach_and_unpin()?;
    std::fs::remove_dir(&directory)?;

    // Of a kind that is not updated.
    let path = sandbox.bpffs().join("tracepoint");
    let to = RawTracepointAttach::to(c"sys_enter").ensure_pinned(&path);
    let [first, second] = [
        Program::passing(Hook::RAW_TRACEPOINT)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    ];
    to.run(&first)?;
    let id = Link::from_pinned(&path)?.id()?;
    let words = said(&to, &path, &second)?;
    ensure!(
        words == format!("replace link {id} without a gap, because such links cannot be updated"),
        "{words}"
    );
    Link::from_pinned(&path)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn only_an_attempt_tells(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let [first, second] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let words = said(&to, &path, &first)?;
    ensure!(words == "create a link", "{words}");
    let id = Link::from_pinned(&path)?.id()?;
    let words = said(&to, &path, &second)?;
    ensure!(
        words
            == format!(
                "try to attach, as there is no other way to tell; if the hook is free, replace link {id} \
                 without a gap, because it is on another hook; if it is taken, update link {id}, \
                 replacing program {}",
                first.id()?
            ),
        "{words}"
    );
    // A link of ours is on the hook, and would be reported.
    let held = Link::from_pinned(&path)?;
    std::fs::remove_file(&path)?;
    let name = std::ffi::CString::new(names::object_name("prog"))?;
    let planned = changing_nothing(&path, || {
        to.clone().report(Ours::by_name(&name)).plan(&second)
    })??;
    let expected = Planned::Attempt {
        if_free: Box::new(Planned::Create),
        if_taken: Box::new(Planned::ReportOurs { links: vec![id] }),
    };
    ensure!(planned.planned == expected, "{planned:?}");
    let words = said(&to.clone().take_over(Ours::by_name(&name)), &path, &first)?;
    ensure!(
        words
            == format!(
                "try to attach, as there is no other way to tell; if the hook is free, create a link; \
                 if it is taken, pin link {id}, which is ours; update link {id}, \
                 replacing program {}",
                second.id()?
            ),
        "{words}"
    );
    drop(held);
    Link::from_pinned(&path)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// What a run refuses before it does anything, a plan refuses as well.
fn what_is_refused(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let refused = |path: &Path, parents: bool| -> Result<Error> {
        let to = XdpAttach::to("lo").ensure_pinned(path);
        let to = if parents {
            to.create_parents(0o700)
        } else {
            to
        };
        let refused = run_as_planned(path, || to.plan(&program), || Ok(to.run(&program)?.into()));
        refused.err().context("it was not refused")
    };
    let directory = sandbox.bpffs().join("missing");
    let error = refused(&directory.join("pin"), false)?;
    ensure!(
        matches!(error, Error::Link(bpf_link::Error::PathNotFound(_))),
        "{error:?}"
    );
    for path in [directory.join("with.dot/pin"), directory.join("a.dot")] {
        let error = refused(&path, true)?;
        ensure!(
            matches!(error, Error::Link(bpf_link::Error::PinName { .. })),
            "{error:?}"
        );
        ensure!(!directory.exists());
    }
    let error = refused(&sandbox.directory().join("missing/pin"), true)?;
    ensure!(
        matches!(error, Error::Link(bpf_link::Error::NotOnBpffs { .. })),
        "{error:?}"
    );
    let pin = sandbox.bpffs().join("pin");
    pins::pin(&program, &pin)?;
    let error = refused(&pin, false)?;
    ensure!(
        matches!(&error, Error::PinTaken { path, found: None } if *path == pin),
        "{error:?}"
    );
    std::fs::remove_file(&pin)?;
    ensure!(our_links()?.is_empty());
    ensure_nothing_left(sandbox)
}

/// By the trait, which is for code that does not know the kind.
fn generic_code_attaches(sandbox: &Sandbox) -> Result<()> {
    fn attach<A: AttachProgram<Link: Into<Link>>>(to: &A, program: &Program) -> Result<Link> {
        Ok(to.attach(program)?.into())
    }
    let cgroup = sandbox.new_cgroup("here")?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let links = [
        attach(&to, &Program::passing(Hook::CGROUP_EGRESS)?)?,
        attach(&XdpAttach::to("lo"), &Program::passing(Hook::XDP)?)?,
    ];
    ensure!(links[0].kind() == LinkKind::Cgroup && links[1].kind() == LinkKind::Xdp);
    drop(links);
    ensure_nothing_left(sandbox)
}
