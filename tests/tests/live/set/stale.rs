//! Links of a directory that are not in the set.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds, names, pins};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Error, LinkSet, RawTracepointAttach, XdpAttach, XdpMode,
    ensure::{OldLink, Ours, Outcome, Standing},
    set::Stale,
};

use crate::ensure::end::{ensure_nothing_left, is_pinned, our_links};
use crate::ensure::others::without_sys_admin;
use crate::fixture::chain::check_refusal;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(an_empty_rule),
    test!(kept_where_the_set_is_refused),
    test!(reported_and_removed),
    test!(what_cannot_be_told),
    test!(two_agents_in_one_directory),
    test!(what_is_not_a_link),
];

/// By a rule that names no program nothing is this agent's, and no privilege is needed to tell.
fn an_empty_rule(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("lo", XdpAttach::to("lo"), Program::passing(Hook::XDP)?)?;
    let applied = set.apply()?;
    let empty = LinkSet::in_dir(&directory).remove_stale(Stale::running([]));
    let report = without_sys_admin(|| Ok(empty.apply()?.report().to_string()))?;
    ensure!(applied.is_ours()?, "{report}");
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// What is stale goes after all else has succeeded: also after the gaps.
fn kept_where_the_set_is_refused(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let [old, new] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let mut before = LinkSet::in_dir(&directory).create_dir(0o700);
    before.add("stale", RawTracepointAttach::to(c"sys_enter"), &program)?;
    before.add("lo", XdpAttach::to("lo"), &old)?;
    let before = before.apply()?;
    // Refused where links are attached beside the old ones, and in a gap.
    let mode = XdpAttach::to("lo").mode(XdpMode::Drv);
    let nowhere = RawTracepointAttach::to(c"no_such");
    for (to, of) in [(None, Some(nowhere)), (Some(mode), None)] {
        let mut set = LinkSet::in_dir(&directory).remove_stale(Stale::all());
        set.add("lo", to.unwrap_or_else(|| XdpAttach::to("lo")), &new)?;
        if let Some(of) = of {
            set.add("new", of, &program)?;
        }
        let refused = set.apply().err().context("it was not refused")?;
        ensure!(matches!(refused, Error::SetNotApplied(_)), "{refused:?}");
        let stale = before.standing()?.into_iter().next();
        ensure!(
            matches!(&stale, Some((name, Standing::Ours)) if *name == "stale"),
            "{stale:?}"
        );
    }
    ensure!(is_pinned(&directory.join("stale")));
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::all())
        .apply()?;
    drop(before);
    ensure_nothing_left(sandbox)
}

/// Nothing is attached before it turns out that nobody can tell what is stale.
fn what_cannot_be_told(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [old, new] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("old", XdpAttach::to("lo"), &old)?;
    let applied = set.apply()?;
    let mut set = LinkSet::in_dir(&directory).remove_stale(Stale::running([Ours::by_name(c"it")]));
    // It would be refused later, as the device has a program.
    set.add("new", RawTracepointAttach::to(c"no_such"), &new)?;
    let path = directory.join("old").display().to_string();
    let refused = without_sys_admin(|| check_refusal(set.apply(), &[&path]))?;
    ensure!(
        matches!(refused, Error::SearchDenied { .. }) && refused.errno() == Some(libc::EPERM),
        "{refused:?}"
    );
    ensure!(applied.is_ours()?);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

fn reported_and_removed(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (xdp, entry) = (
        Program::passing(Hook::XDP)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    );
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("lo", XdpAttach::to("lo"), &xdp)?;
    set.add("entry", RawTracepointAttach::to(c"sys_enter"), &entry)?;
    set.apply()?;
    let mut smaller = LinkSet::in_dir(&directory);
    smaller.add("lo", XdpAttach::to("lo"), &xdp)?;
    let applied = smaller.apply()?;
    let [stale] = applied.report().stale.as_slice() else {
        anyhow::bail!("{applied:?}");
    };
    ensure!(stale.name == "entry" && stale.removed.is_none(), "{stale}");
    ensure!(our_links()?.len() == 2 && is_pinned(&directory.join("entry")));
    drop(applied);
    let smaller = smaller.remove_stale(Stale::running([Ours::by_name(c"another")]));
    ensure!(!smaller.plan()?.others.iter().all(|other| other.is_removed));
    ensure!(
        smaller
            .apply()?
            .report()
            .stale
            .iter()
            .all(|link| link.removed.is_none())
    );
    let name = std::ffi::CString::new(names::object_name("prog"))?;
    let smaller = smaller.remove_stale(Stale::running([Ours::by_name(&name)]));
    ensure!(smaller.plan()?.others.iter().all(|other| other.is_removed));
    let applied = smaller.apply()?;
    ensure!(
        applied
            .report()
            .stale
            .iter()
            .all(|link| matches!(link.removed, Some(OldLink::Released(_)))),
        "{applied:?}"
    );
    ensure!(!is_pinned(&directory.join("entry")));
    // The kernel frees a released link a little later.
    eventually_holds("one link", || Ok(our_links()?.len() == 1))?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Each removes what is its own, and takes over nothing of the other's on a hook that both have.
fn two_agents_in_one_directory(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agents");
    let cgroup = sandbox.new_cgroup("agent")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let apply = |prefix: &str, names: &[&str]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory)
            .create_dir(0o700)
            .remove_stale(Stale::named_with_prefix(prefix));
        for name in names {
            let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
            set.add(format!("{prefix}{name}"), to, &program)?;
        }
        Ok(set.apply()?)
    };
    apply("x_", &["one", "two"])?;
    let other = apply("y_", &["one"])?;
    ensure!(
        other
            .report()
            .links
            .iter()
            .all(|link| link.outcome == Outcome::Created),
        "{other:?}"
    );
    ensure!(
        other
            .report()
            .stale
            .iter()
            .all(|link| link.removed.is_none())
    );
    let one = apply("x_", &["three"])?;
    // One of its own is taken over, and one removed.
    ensure!(
        one.report().links.iter().all(|link| link.before.is_some()),
        "{one:?}"
    );
    let removed = one
        .report()
        .stale
        .iter()
        .filter(|link| link.removed.is_some());
    ensure!(removed.count() == 1 && other.is_ours()?, "{one:?}");
    one.stop()?;
    ensure!(other.is_ours()?);
    other.stop()?;
    ensure_nothing_left(sandbox)
}

/// Maps, programs, directories and symbolic links stay.
fn what_is_not_a_link(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let program = Program::passing(Hook::XDP)?;
    pins::pin(&Map::array(4, 1)?, &directory.join("map"))?;
    pins::pin(&program, &directory.join("program"))?;
    std::fs::create_dir(directory.join("more"))?;
    std::os::unix::fs::symlink(directory.join("map"), directory.join("symlink"))?;
    let mut set = LinkSet::in_dir(&directory).remove_stale(Stale::all());
    set.add("lo", XdpAttach::to("lo"), &program)?;
    let applied = set.apply()?;
    ensure!(applied.report().stale.is_empty());
    drop(applied);
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::all())
        .apply()?;
    eventually_holds("no link", || Ok(our_links()?.is_empty()))?;
    for name in ["map", "program", "more", "symlink"] {
        directory.join(name).symlink_metadata()?;
    }
    for name in ["map", "program", "symlink"] {
        std::fs::remove_file(directory.join(name))?;
    }
    std::fs::remove_dir(directory.join("more"))?;
    ensure_nothing_left(sandbox)
}
