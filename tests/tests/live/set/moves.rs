//! Sets whose links have other names, hooks and priorities than those before.

use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bpf_link_tests::{
    Cgroup, CongestionControl, Device, DeviceKind, Hook, Netns, Program, Sandbox, eventually_holds,
    names, own_code,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Link, LinkSet, NetfilterAttach, NetfilterFamily, NetfilterHook,
    TcxAttach, TcxHook, UprobeMultiAttach, XdpAttach, XdpMode,
    attach::When,
    ensure::{Attached, OldLink, Outcome, Planned, Why},
    set::Stale,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::ensure::id_of;
use crate::ensure::places::is_linux;
use crate::fixture::traffic::send_packet;
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test, test};
use crate::set::five::{Five, attached};
use crate::set::kinds::{Kinds, of_each_sort};
use crate::set::links_of;
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(a_device_of_another_namespace).alone(),
    test!(a_name_that_another_link_takes),
    test!(exchanged_cgroups),
    test!(exchanged_devices).needs(&[Need::Device(DeviceKind::Veth)]),
    test!(exchanged_kinds),
    of_each_sort(test!(exchanged_names)),
    test!(exchanged_priorities).needs(Need::NETFILTER),
    test!(exchanged_programs).needs(Need::TCX),
    test!(other_names_of_a_link),
    test!(programs_of_links_that_are_not_in_the_set).needs(Need::TCX),
    of_each_sort(test!(renamed)),
    test!(renamed_without_all_options).needs(Need::UPROBE_MULTI),
    test!(struct_ops_with_other_names).needs(Need::STRUCT_OPS),
];

/// All of them, to names that nothing had.
fn renamed(sandbox: &Sandbox) -> Result<()> {
    const OTHER: [&str; 5] = ["a", "b", "c", "d", "e"];
    let five = Five::of(sandbox, Kinds::OfEachSort)?;
    let [first, second] = [Kinds::OfEachSort.load()?, Kinds::OfEachSort.load()?];
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, five.names())?;
    let plan = five.set(&second, OTHER)?.plan()?;
    ensure!(plan.others.is_empty(), "{plan}");
    let applied = five.set(&second, OTHER)?.apply()?;
    ensure!(applied.report().stale.is_empty(), "{applied:?}");
    for (link, name) in applied.report().links.iter().zip(five.names()) {
        ensure!(link.before.as_deref() == Some(name), "{applied:?}");
    }
    let after = five.ensure_runs(&second, OTHER)?;
    ensure!(after[..3] == before[..3]);
    drop(applied);
    // The same programs again, and back.
    let back = five.plain(&second)?.apply()?;
    ensure!(five.ensure_runs(&second, five.names())?[..3] == before[..3]);
    back.stop()?;
    ensure_nothing_left(sandbox)
}

/// The new set gives the name `a` to the link on another hook. The link that had that name is not
/// in the new set and is removed. The plan and the report say so.
fn a_name_that_another_link_takes(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (one, other) = (sandbox.new_cgroup("one")?, sandbox.new_cgroup("other")?);
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let set = |links: &[(&str, &Cgroup)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, cgroup) in links {
            let to = CgroupAttach::to(cgroup.path().to_owned(), CgroupHook::InetEgress);
            set.add(name, to, &program)?;
        }
        Ok(set)
    };
    let before = set(&[("a", &one), ("b", &other)])?.apply()?;
    let [replaced, kept] = links_of(before.report())?;
    drop(before);
    let set = set(&[("a", &other)])?;
    let plan = set.plan()?;
    let [planned] = &*plan.others else {
        bail!("{plan}");
    };
    ensure!(planned.is_removed && planned.link == replaced, "{plan}");
    let applied = set.wait_for_old(Duration::from_secs(1)).apply()?;
    let report = applied.report();
    let ([link], [stale]) = (&*report.links, &*report.stale) else {
        bail!("{report}");
    };
    ensure!(
        link.link == kept && link.outcome == Outcome::AlreadyRunning,
        "{report}"
    );
    ensure!(
        stale.name == "a" && stale.link == replaced && stale.removed == Some(OldLink::Gone),
        "{report}"
    );
    ensure!(our_links()? == [kept.get()] && sandbox.pinned()?.len() == 1);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// The index of the device is the same there, and no info says which namespace a link is in. While
/// the hook here is free, that link is not on it.
fn a_device_of_another_namespace(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [here, there] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let netns = Netns::create()?;
    let to = || XdpAttach::to("lo").mode(XdpMode::Skb);
    let mut elsewhere = LinkSet::in_dir(&directory).create_dir(0o700);
    let netns = netns.as_fd().try_clone_to_owned()?;
    elsewhere.add("there", to().in_netns(netns), &there)?;
    let elsewhere = elsewhere.apply()?;
    let [held] = links_of(elsewhere.report())?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("here", to(), &here)?;
    let plan = set.plan()?;
    let update = Planned::Update {
        link: held,
        previous: Some(Attached::Program(id_of(&there)?)),
    };
    let expected = Planned::Attempt {
        if_free: Box::new(Planned::Create),
        if_taken: Box::new(update),
    };
    let planned: Vec<_> = plan.links.iter().map(|link| &link.planned).collect();
    ensure!(planned == [&expected], "{plan}");
    let applied = set.apply()?;
    let report = applied.report();
    let ([link], [stale]) = (&*report.links, &*report.stale) else {
        bail!("{report}");
    };
    ensure!(
        link.outcome == Outcome::Created && link.before.is_none(),
        "{report}"
    );
    ensure!(stale.link == held && stale.removed.is_none(), "{report}");
    ensure!(elsewhere.is_ours()?);
    applied.stop()?;
    elsewhere.stop()?;
    ensure_nothing_left(sandbox)
}

/// A tcx hook does not take a program twice. So a wanted link takes over the one that already runs
/// its program, also if that is not in the set.
fn programs_of_links_that_are_not_in_the_set(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [one, two] = [(); 2].map(|()| Program::passing(Hook::TCX_INGRESS));
    let (one, two) = (one?, two?);
    let apply = |links: &[(&str, &Program)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, program) in links {
            set.add(name, TcxAttach::to("lo", TcxHook::Ingress), *program)?;
        }
        Ok(set.apply()?)
    };
    for wanted in [&[("a", &two)][..], &[("a", &two), ("c", &one)]] {
        let before = apply(&[("a", &one), ("b", &two)])?;
        let [first, second] = links_of(before.report())?;
        drop(before);
        let applied = apply(wanted)?;
        let report = applied.report();
        let links: Vec<_> = report.links.iter().map(|link| link.link).collect();
        let mut expected = vec![second, first];
        expected.truncate(wanted.len());
        ensure!(links == expected, "{report}");
        let removed: Vec<_> = report.stale.iter().map(|link| link.removed).collect();
        let expected = vec![Some(OldLink::Gone); 2 - wanted.len()];
        ensure!(removed == expected, "{report}");
        ensure!(sandbox.pinned()?.len() == wanted.len(), "{report}");
        applied.stop()?;
    }
    ensure_nothing_left(sandbox)
}

/// A link that is kept loses the names that are not in the set, as it does when a run was killed
/// between the new name and the old. The plan and the report say so. By a rule, the names of
/// another agent stay.
fn other_names_of_a_link(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let program = Program::passing(Hook::XDP)?;
    let set = || -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add("my_lo", XdpAttach::to("lo"), &program)?;
        Ok(set)
    };
    let applied = set()?.apply()?;
    let [link] = links_of(applied.report())?;
    for name in ["my_other", "other"] {
        Link::from_id(link)?.pin(directory.join(name))?;
    }
    drop(applied);
    let by_prefix = set()?.remove_stale(Stale::named_with_prefix("my_"));
    for (set, name, pins) in [(by_prefix, "my_other", 2), (set()?, "other", 1)] {
        let plan = set.plan()?;
        let planned: Vec<_> = plan.links.iter().map(|link| &link.unpinned[..]).collect();
        ensure!(planned == [[name]], "{plan}");
        let words = format!("; remove its pin {name}\n");
        ensure!(plan.to_string().ends_with(&words), "{plan}");
        let applied = set.apply()?;
        let report = applied.report();
        let [kept] = &*report.links else {
            bail!("{report}");
        };
        ensure!(
            kept.link == link && kept.unpinned == [name] && kept.before.is_none(),
            "{report}"
        );
        ensure!(report.stale.is_empty() && report.pins_left.is_empty());
        ensure!(sandbox.pinned()?.len() == pins, "{report}");
    }
    set()?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

/// A link whose hook the kernel reports, but not all of its options: it is replaced, so it may be
/// taken over under another name as well. It is not where such links are kept.
fn renamed_without_all_options(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let place = offset_of(first)?;
    let set = |name| -> Result<_> {
        let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent")).create_dir(0o700);
        let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, [place]);
        set.add(name, to, &program)?;
        Ok(set)
    };
    set("a")?.apply()?;
    let applied = set("b")?.apply()?;
    let report = applied.report();
    // Before Linux 6.8 nothing of such links is reported.
    if is_linux(6, 8)? {
        let [link] = &*report.links else {
            bail!("{report}");
        };
        let is_replaced =
            matches!(link.outcome, Outcome::Replaced { why, .. } if why == Why::NotReported);
        ensure!(is_replaced && report.stale.is_empty(), "{report}");
        ensure!(link.before.as_deref() == Some("a"), "{report}");
    }
    let kept = set("c")?.keep_unreported().apply()?;
    let report = kept.report();
    let is_stale = report.stale.iter().any(|stale| stale.name == "b");
    let mut outcomes = report.links.iter().map(|link| &link.outcome);
    ensure!(
        is_stale && outcomes.all(|outcome| *outcome == Outcome::Created),
        "{report}"
    );
    kept.stop()?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Each has the name of the next, so that every pin is one of another kind.
fn exchanged_names(sandbox: &Sandbox) -> Result<()> {
    let five = Five::of(sandbox, Kinds::OfEachSort)?;
    let [first, second] = [Kinds::OfEachSort.load()?, Kinds::OfEachSort.load()?];
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, five.names())?;
    let mut names = five.names();
    names.rotate_left(1);
    let applied = five.set(&second, names)?.apply()?;
    let after = five.ensure_runs(&second, names)?;
    ensure!(after[..3] == before[..3]);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

fn exchanged_kinds(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    let (xdp, egress) = (
        Counting::program(Hook::XDP)?,
        Counting::program(Hook::CGROUP_EGRESS)?,
    );
    let apply = |xdp_name: &str, cgroup_name: &str| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add(xdp_name, XdpAttach::to("lo"), &xdp)?;
        let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
        set.add(cgroup_name, to, &egress)?;
        Ok(set.apply()?)
    };
    apply("a", "b")?;
    let before = our_links()?;
    let applied = apply("b", "a")?;
    ensure!(
        our_links()? == before && sandbox.pinned()?.len() == 2,
        "{applied:?}"
    );
    let report = applied.report();
    ensure!(
        report
            .links
            .iter()
            .all(|link| link.outcome == Outcome::AlreadyRunning),
        "{report}"
    );
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// What the two links of a set are, and do.
fn ensure_pair(
    sandbox: &Sandbox,
    names: [&str; 2],
    programs: [&Counting; 2],
    event: &dyn Fn() -> Result<()>,
) -> Result<[u32; 2]> {
    let mut ids = [0; 2];
    for ((name, program), id) in names.iter().zip(programs).zip(&mut ids) {
        let link = Link::from_pinned(sandbox.bpffs().join("agent").join(name))?;
        let found = link.info()?.program_id().map(Attached::Program);
        ensure!(found == Some(attached(program)?), "{name}: {found:?}");
        ensure!(program.runs(event)?, "{name} does not run");
        *id = link.id()?.get();
    }
    eventually_holds("two links", || Ok(our_links()?.len() == 2))?;
    ensure!(sandbox.pinned()?.len() == 2, "{:?}", sandbox.pinned()?);
    Ok(ids)
}

fn exchanged_cgroups(sandbox: &Sandbox) -> Result<()> {
    let (one, other) = (sandbox.new_cgroup("one")?, sandbox.new_cgroup("other")?);
    let load = || Counting::program(Hook::CGROUP_EGRESS);
    let event = || {
        one.inside(send_packet)?;
        other.inside(send_packet)
    };
    let directory = sandbox.bpffs().join("agent");
    let apply = |first: &str, second: &str, programs: [&Counting; 2]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        let to = |cgroup| CgroupAttach::to(cgroup, CgroupHook::InetEgress);
        set.add(first, to(one.path()), programs[0])?;
        set.add(second, to(other.path()), programs[1])?;
        Ok(set.apply()?)
    };
    let (old, new) = ([load()?, load()?], [load()?, load()?]);
    apply("a", "b", old.each_ref())?;
    let before = ensure_pair(sandbox, ["a", "b"], old.each_ref(), &event)?;
    let applied = apply("b", "a", new.each_ref())?;
    let after = ensure_pair(sandbox, ["b", "a"], new.each_ref(), &event)?;
    ensure!(after == before, "{applied:?}");
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

fn exchanged_devices(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Veth, "device")?;
    let directory = sandbox.bpffs().join("agent");
    let apply = |devices: [&str; 2], program: &Counting| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add("a", XdpAttach::to(devices[0]), program)?;
        set.add("b", XdpAttach::to(devices[1]), program)?;
        Ok(set.apply()?)
    };
    let (old, new) = (Counting::program(Hook::XDP)?, Counting::program(Hook::XDP)?);
    apply(["lo", "device"], &old)?;
    let before = ensure_pair(sandbox, ["a", "b"], [&old; 2], &send_packet)?;
    let applied = apply(["device", "lo"], &new)?;
    let after = ensure_pair(sandbox, ["b", "a"], [&new; 2], &send_packet)?;
    ensure!(after == before, "{applied:?}");
    let updated = |outcome: Outcome| matches!(outcome, Outcome::Updated { .. });
    ensure!(
        applied
            .report()
            .links
            .iter()
            .all(|link| updated(link.outcome)),
        "{applied:?}"
    );
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Neither priority is free before its old link has gone.
fn exchanged_priorities(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let apply = |priorities: [i32; 2], programs: [&Counting; 2]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for ((name, priority), program) in ["a", "b"].into_iter().zip(priorities).zip(programs) {
            let hook = NetfilterHook::PostRouting;
            set.add(
                name,
                NetfilterAttach::to(NetfilterFamily::Ipv4, hook, priority),
                program,
            )?;
        }
        Ok(set.apply()?)
    };
    let load = || Counting::program(Hook::NETFILTER);
    let (old, new) = ([load()?, load()?], [load()?, load()?]);
    apply([-10_000, -9_999], old.each_ref())?;
    ensure_pair(sandbox, ["a", "b"], old.each_ref(), &send_packet)?;
    let applied = apply([-9_999, -10_000], new.each_ref())?;
    ensure_pair(sandbox, ["a", "b"], new.each_ref(), &send_packet)?;
    for link in &applied.report().links {
        let is_replaced = matches!(
            link.outcome,
            Outcome::Replaced {
                why: Why::NotUpdatable,
                gap: true,
                old_link: OldLink::Gone,
                ..
            }
        );
        ensure!(is_replaced, "{applied:?}");
    }
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// The kernel puts no program on a tcx hook that is there already: the pins are exchanged instead.
fn exchanged_programs(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let apply = |programs: [&Counting; 2]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, program) in ["a", "b"].into_iter().zip(programs) {
            set.add(name, TcxAttach::to("lo", TcxHook::Ingress), program)?;
        }
        Ok(set.apply()?)
    };
    let load = || Counting::program(Hook::TCX_INGRESS);
    let (one, other) = (load()?, load()?);
    apply([&one, &other])?;
    ensure_pair(sandbox, ["a", "b"], [&one, &other], &send_packet)?;
    let applied = apply([&other, &one])?;
    ensure_pair(sandbox, ["a", "b"], [&other, &one], &send_packet)?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// A map takes over the link of its own name, whatever that is pinned as, and leaves the others.
fn struct_ops_with_other_names(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let load = |suffix| CongestionControl::new(&names::object_name(suffix));
    let apply = |maps: &[(&str, &CongestionControl)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, map) in maps {
            set.add_struct_ops(name, map)?;
        }
        Ok(set.apply()?)
    };
    let (cc, cd) = (load("cc")?, load("cd")?);
    let before = apply(&[("a", &cc), ("b", &cd)])?;
    let [one, other] = links_of(before.report())?;
    drop(before);
    // Exchanged names: each is updated in place.
    let (cc, cd) = (load("cc")?, load("cd")?);
    let applied = apply(&[("a", &cd), ("b", &cc)])?;
    for (link, old) in applied.report().links.iter().zip([other, one]) {
        let is_updated = matches!(link.outcome, Outcome::Updated { .. });
        ensure!(is_updated && link.link == old, "{}", applied.report());
    }
    drop(applied);
    // One is dropped, and the other gets a new name.
    let cc = load("cc")?;
    let applied = apply(&[("c", &cc)])?;
    let report = applied.report();
    let ([link], [stale]) = (&*report.links, &*report.stale) else {
        bail!("{report}");
    };
    ensure!(
        link.link == one && link.before.as_deref() == Some("b"),
        "{report}"
    );
    ensure!(stale.link == other && stale.removed.is_none(), "{report}");
    applied.stop()?;
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::all())
        .apply()?;
    ensure_nothing_left(sandbox)
}
