//! Sets: the links of an agent in one directory, brought about together.

mod at_once;
mod blocked;
mod calls;
mod directory;
mod each_processor;
mod five;
mod gaps;
mod given;
mod held;
mod killed;
mod kinds;
mod moves;
mod order;
mod refused;
mod settings;
mod stale;
mod under_load;
mod undone;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{CongestionControl, Hook, Program, Sandbox, names};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Link, LinkId, LinkSet, MapId, RawTracepointAttach, StructOpsLink,
    TcxAttach, TcxHook, XdpAttach,
    ensure::{Gap, OldLink, Ours, Outcome, Planned, Standing, Stopped, Why},
    set::{SetReport, Stale},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::ensure::planned::changing_nothing;
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, Test, test};
use crate::set::five::Five;
use crate::set::kinds::{Kinds, of_each_sort};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(at_once::TESTS),
    Roles(at_once::ROLES),
    Tests(blocked::TESTS),
    Tests(calls::TESTS),
    Roles(calls::ROLES),
    Tests(directory::TESTS),
    Tests(each_processor::TESTS),
    Tests(gaps::TESTS),
    Tests(gaps::killed::TESTS),
    Roles(gaps::ROLES),
    Tests(held::TESTS),
    Tests(given::TESTS),
    Tests(killed::TESTS),
    Roles(killed::ROLES),
    Tests(moves::TESTS),
    Tests(order::TESTS),
    Tests(refused::TESTS),
    Tests(settings::TESTS),
    Tests(stale::TESTS),
    Tests(under_load::TESTS),
    Tests(undone::TESTS),
];

const TESTS: &[Test] = &[
    test!(an_empty_set_removes_all),
    test!(a_replaced_link_that_is_held),
    of_each_sort(test!(created_updated_and_kept)),
    test!(from_a_configuration),
    of_each_sort(test!(links_without_a_pin)).alone(),
    test!(moved_to_another_thread),
    test!(of_a_map).needs(Need::STRUCT_OPS),
    of_each_sort(test!(overtaken_and_stopped)),
    test!(the_same_programs_again),
];

/// The links of a set that has so many.
fn links_of<const N: usize>(report: &SetReport) -> Result<[LinkId; N]> {
    let links: Vec<LinkId> = report.links.iter().map(|link| link.link).collect();
    links.try_into().map_err(|_| anyhow!("not {N}: {report}"))
}

fn outcomes(report: &SetReport) -> Vec<Outcome> {
    report.links.iter().map(|link| link.outcome).collect()
}

fn created_updated_and_kept(sandbox: &Sandbox) -> Result<()> {
    let five = Five::of(sandbox, Kinds::OfEachSort)?;
    let [first, second] = [Kinds::OfEachSort.load()?, Kinds::OfEachSort.load()?];

    let pin = five.directory.join("xdp");
    let set = five.plain(&first)?;
    let plan = changing_nothing(&pin, || set.plan())??;
    ensure!(plan.directories == std::slice::from_ref(&five.directory));
    ensure!(
        plan.links
            .iter()
            .all(|link| link.planned == Planned::Create)
    );
    ensure!(sandbox.pinned()?.is_empty() && !five.directory.exists() && our_links()?.is_empty());

    let applied = five.plain(&first)?.apply()?;
    ensure!(
        outcomes(applied.report()) == [Outcome::Created; 5],
        "{applied:?}"
    );
    let ids = five.ensure_runs(&first, five.names())?;
    ensure!(applied.is_ours()?);
    let line = applied.report().to_string();
    ensure!(
        line.lines().count() == 5 && line.starts_with(&format!("xdp: link {}, created", ids[0])),
        "{line}"
    );
    drop(applied);

    let kept = five.plain(&first)?.apply()?;
    ensure!(
        outcomes(kept.report()).starts_with(&[Outcome::AlreadyRunning; 3]),
        "{kept:?}"
    );
    let ids = five.ensure_runs(&first, five.names())?;
    drop(kept);

    let previous = first.ids()?;
    let set = five.plain(&second)?;
    let plan = changing_nothing(&pin, || set.plan())??;
    let [xdp, tcx, cgroup, entry, _] = plan.links.as_slice() else {
        anyhow::bail!("{plan:?}");
    };
    let update = |link, previous| Planned::Update {
        link,
        previous: Some(previous),
    };
    ensure!(
        matches!(&xdp.planned, Planned::Attempt { if_taken, .. }
            if **if_taken == update(ids[0], previous[0])),
        "{plan:?}"
    );
    ensure!(tcx.planned == update(ids[1], previous[1]), "{plan:?}");
    ensure!(cgroup.planned == update(ids[2], previous[2]), "{plan:?}");
    ensure!(
        matches!(
            entry.planned,
            Planned::Replace {
                why: Why::NotUpdatable,
                gap: Gap::No | Gap::IfRefused,
                ..
            }
        ),
        "{plan:?}"
    );
    ensure!(five.ensure_runs(&first, five.names())? == ids);

    let updated = five.plain(&second)?.apply()?;
    let update = |previous| Outcome::Updated { previous };
    let replace = |previous, gap| Outcome::Replaced {
        why: Why::NotUpdatable,
        previous: Some(previous),
        gap,
        old_link: OldLink::Gone,
    };
    let expected = [
        update(previous[0]),
        update(previous[1]),
        update(previous[2]),
        replace(previous[3], false),
        replace(previous[4], true),
    ];
    for (found, expected) in outcomes(updated.report()).into_iter().zip(expected) {
        // What cannot be detached goes with the last that holds it.
        let found = match found {
            Outcome::Replaced {
                why: Why::NotUpdatable,
                previous: Some(previous),
                gap,
                old_link: OldLink::Released(_),
            } => replace(previous, gap),
            found => found,
        };
        ensure!(found == expected, "{updated:?}");
    }
    let after = five.ensure_runs(&second, five.names())?;
    ensure!(after[..3] == ids[..3] && after[3] != ids[3]);
    ensure!(updated.is_ours()?);
    let json = serde_json::to_string(updated.report())?;
    ensure!(
        serde_json::from_str::<SetReport>(&json)? == *updated.report(),
        "{json}"
    );
    updated.stop()?;
    ensure_nothing_left(sandbox)
}

/// What an agent does that has been overtaken, in all or in part.
/// The pins are new, and tell whose the links are.
fn the_same_programs_again(sandbox: &Sandbox) -> Result<()> {
    let five = Five::of(sandbox, Kinds::OfEachKernel)?;
    let version = Kinds::OfEachKernel.load()?;
    let old = five.plain(&version)?.apply()?;
    let new = five.plain(&version)?.apply()?;
    for (name, stopped) in old.stop()? {
        ensure!(
            matches!(stopped, Stopped::Left(Standing::PinnedAnew { .. })),
            "{name}: {stopped}"
        );
    }
    ensure!(new.is_ours()?);
    five.ensure_runs(&version, five.names())?;
    for (name, stopped) in new.stop()? {
        ensure!(stopped == Stopped::LetGo, "{name}: {stopped}");
    }
    ensure_nothing_left(sandbox)
}

fn overtaken_and_stopped(sandbox: &Sandbox) -> Result<()> {
    let five = Five::of(sandbox, Kinds::OfEachSort)?;
    let [first, second] = [Kinds::OfEachSort.load()?, Kinds::OfEachSort.load()?];
    let old = five.plain(&first)?.apply()?;
    let new = five.plain(&second)?.apply()?;
    for (name, standing) in old.standing()? {
        ensure!(
            matches!(standing, Standing::Overtaken { .. }),
            "{name}: {standing}"
        );
    }
    for (name, stopped) in old.stop()? {
        ensure!(
            matches!(stopped, Stopped::Left(Standing::Overtaken { .. })),
            "{name}: {stopped}"
        );
    }
    five.ensure_runs(&second, five.names())?;
    // Somebody else has one of them.
    let third = Kinds::OfEachSort.load()?;
    let mut set = LinkSet::in_dir(&five.directory);
    let key = set.add(
        "tcx",
        TcxAttach::to("lo", TcxHook::Ingress),
        &third.programs[1],
    )?;
    let mut part = set.apply()?;
    ensure!(part.report().stale.len() == 4, "{part:?}");
    let of_another_set = LinkSet::in_dir(&five.directory).add(
        "tcx",
        TcxAttach::to("lo", TcxHook::Ingress),
        &third.programs[1],
    )?;
    ensure!(part.get(&of_another_set).is_none());
    ensure!(!new.is_ours()?);
    let stopped = new.stop()?;
    let left = |name: &str| stopped.iter().find(|(found, _)| found == name);
    ensure!(
        matches!(left("tcx"), Some((_, Stopped::Left(_)))),
        "{stopped:?}"
    );
    ensure!(
        stopped
            .iter()
            .filter(|(_, one)| *one == Stopped::LetGo)
            .count()
            == 4,
        "{stopped:?}"
    );
    ensure!(part.is_ours()? && third.programs[1].runs(|| five.event())?);
    // A link by its key, with its type.
    ensure!(part.get(&key).context("it is there")?.link.info()?.ifindex == Some(1));
    let taken = part.take(&key).context("it is there")?;
    ensure!(part.get(&key).is_none() && part.take(&key).is_none() && part.stop()?.is_empty());
    ensure!(taken.stop()? == Stopped::LetGo);
    ensure_nothing_left(sandbox)
}

/// All that a set is made of can be its own.
fn moved_to_another_thread(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let program = std::sync::Arc::new(Program::passing(Hook::XDP)?);
    let mut set: LinkSet<'static> = LinkSet::in_dir(&directory).create_dir(0o700);
    let key = set.add("lo", XdpAttach::to("lo"), program.clone())?;
    let (set, applied) = std::thread::spawn(move || {
        let applied = set.apply();
        (set, applied)
    })
    .join()
    .map_err(|_| anyhow::anyhow!("it panicked"))?;
    let applied = applied?;
    ensure!(
        applied
            .get(&key)
            .is_some_and(|lo| lo.outcome == Outcome::Created)
    );
    drop(applied);
    // A set can be applied again.
    let applied = set.apply()?;
    ensure!(outcomes(applied.report()) == [Outcome::AlreadyRunning]);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// A part of an agent's configuration.
#[derive(Clone)]
struct Workload {
    cgroup: std::path::PathBuf,
    tracepoint: std::ffi::CString,
}

impl Workload {
    fn egress(&self) -> CgroupAttach<'_> {
        CgroupAttach::to(self.cgroup.as_path(), CgroupHook::InetEgress)
    }

    fn entry(&self) -> RawTracepointAttach<'_> {
        RawTracepointAttach::to(&self.tracepoint)
    }
}

/// A set owns a configuration, is stored, and applied by another thread.
fn from_a_configuration(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    let workload = Workload {
        cgroup: cgroup.path().to_owned(),
        tracepoint: c"sys_enter".to_owned(),
    };
    let (egress, entry) = (
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    );
    let mut set: LinkSet<'static> =
        LinkSet::in_dir(sandbox.bpffs().join("agent")).create_dir(0o700);
    let key = set.add_from("egress", workload.clone(), Workload::egress, egress)?;
    set.add_from("entry", workload, Workload::entry, entry)?;
    let applied = std::thread::spawn(move || set.apply()).join();
    let applied = applied.map_err(|_| anyhow::anyhow!("it panicked"))??;
    let link = &applied.get(&key).context("it is there")?.link;
    ensure!(link.info()?.cgroup_id == Some(cgroup.id()?));
    ensure!(our_links()?.len() == 2);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Callbacks beside a program, by their maps. The old map is what runs again where another link is
/// refused.
fn of_a_map(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let name = names::object_name("cc");
    let (first, second) = (
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    );
    let cgroup = sandbox.new_cgroup("agent")?;
    let egress = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = || CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let map_of = |link: &StructOpsLink| anyhow::Ok(link.info()?.map_id.map(MapId::get));

    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    let control = set.add_struct_ops("control", &first)?;
    set.add("egress", to(), &egress)?;
    let applied = set.apply()?;
    ensure!(outcomes(applied.report()) == [Outcome::Created; 2]);
    let link = &applied.get(&control).context("it is there")?.link;
    ensure!(map_of(link)? == Some(first.id()?));

    // What does not fit a cgroup's hook is refused, and nothing has changed.
    let wrong = Program::passing(Hook::XDP)?;
    let mut refused = LinkSet::in_dir(&directory);
    refused.add_struct_ops("control", &second)?;
    refused.add("egress", to(), &wrong)?;
    ensure!(refused.apply().is_err());
    ensure!(map_of(link)? == Some(first.id()?));
    drop(applied);

    let mut newer = LinkSet::in_dir(&directory);
    let control = newer.add_struct_ops("control", &second)?;
    newer.add("egress", to(), &egress)?;
    let applied = newer.apply()?;
    ensure!(
        matches!(
            *outcomes(applied.report()),
            [Outcome::Updated { .. }, Outcome::AlreadyRunning]
        ),
        "{applied:?}"
    );
    let link = &applied.get(&control).context("it is there")?.link;
    ensure!(map_of(link)? == Some(second.id()?));
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// A process that stops an agent knows its links by the directory.
fn an_empty_set_removes_all(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (cgroup, program) = (
        sandbox.new_cgroup("agent")?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    );
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    set.add("one", to.clone(), &program)?;
    set.add("two", to, &program)?;
    set.apply()?;
    let empty = LinkSet::in_dir(&directory);
    let report = empty.apply()?;
    ensure!(report.report().stale.len() == 2 && our_links()?.len() == 2);
    let empty = empty.remove_stale(Stale::all());
    ensure!(empty.plan()?.others.iter().all(|other| other.is_removed));
    let report = empty.apply()?;
    ensure!(
        report
            .report()
            .stale
            .iter()
            .all(|link| link.removed == Some(OldLink::Gone))
    );
    ensure_nothing_left(sandbox)
}

/// Links whose pins have gone are taken over, and not attached a second time.
fn links_without_a_pin(sandbox: &Sandbox) -> Result<()> {
    let five = Five::of(sandbox, Kinds::OfEachSort)?;
    let [first, second] = [Kinds::OfEachSort.load()?, Kinds::OfEachSort.load()?];
    five.plain(&first)?.apply()?;
    let ids = five.ensure_runs(&first, five.names())?;
    let held: Vec<Link> = five
        .names()
        .iter()
        .map(|name| Link::from_pinned(five.at(name)))
        .collect::<Result<_, _>>()?;
    for name in five.names() {
        std::fs::remove_file(five.at(name))?;
    }
    let ours = Ours::by_name(std::ffi::CString::new(names::object_name("prog"))?);
    let set = five.plain(&second)?.take_over(ours);
    let plan = set.plan()?;
    ensure!(
        plan.links.iter().any(|planned| matches!(planned.planned,
            Planned::TakeOver { link, .. } if link == ids[1])),
        "{plan}"
    );
    let applied = set.apply()?;
    drop(held);
    for (link, id) in applied.report().links.iter().zip(&ids) {
        ensure!(link.taken_over == Some(*id), "{applied:?}");
    }
    let after = five.ensure_runs(&second, five.names())?;
    ensure!(after[..3] == ids[..3]);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// It cannot be detached, so it runs on as long as somebody holds it; nobody waits for that.
fn a_replaced_link_that_is_held(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (first, second) = (
        Program::passing(Hook::RAW_TRACEPOINT)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    );
    let apply = |program| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add("entry", RawTracepointAttach::to(c"sys_enter"), program)?;
        Ok(set.apply()?)
    };
    apply(&first)?;
    let held = Link::from_pinned(directory.join("entry"))?;
    let id = held.id()?;
    let applied = apply(&second)?;
    ensure!(
        matches!(
            *outcomes(applied.report()),
            [Outcome::Replaced { old_link: OldLink::Released(link), gap: false, .. }] if link == id
        ),
        "{applied:?}"
    );
    ensure!(our_links()?.contains(&id.get()) && our_links()?.len() == 2);
    drop(held);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}
