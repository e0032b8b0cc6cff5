//! The order of the links of a set on a hook that takes several.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox, eventually_holds};
use bpf_link_typed::{
    Anchor, CgroupAttach, CgroupHook, HookPrograms, LinkSet, Position, TcxAttach, TcxHook,
    set::Applied,
};

use crate::ensure::end::ensure_nothing_left;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(in_a_cgroup).needs(&[Need::Member("cgroup_bpf", "revisions")]),
    test!(in_a_cgroup_without_places),
    test!(places_in_a_cgroup).needs(&[Need::Member("cgroup_bpf", "revisions")]),
    test!(on_a_tcx_hook).needs(Need::TCX),
    test!(another_order_of_adding).needs(Need::TCX),
    test!(out_of_place).needs(Need::TCX),
    test!(beside_links_with_positions).needs(Need::TCX),
    test!(another_preorder).needs(&[Need::Member("cgroup_bpf", "revisions")]),
];

fn ids(hook: &HookPrograms) -> Vec<u32> {
    hook.programs
        .iter()
        .map(|program| program.id.get())
        .collect()
}

/// Since Linux 6.17. Links that are there keep their places, whatever the order of adding.
fn in_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    let [a, b, c] = [(); 3].map(|()| Program::passing(Hook::CGROUP_EGRESS));
    let [a, b, c] = [a?, b?, c?];
    let hook = CgroupHook::InetEgress;
    let apply = |links: &[(&str, &Program)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, program) in links {
            set.add(name, CgroupAttach::to(cgroup.path(), hook), *program)?;
        }
        Ok(set.apply()?)
    };
    let ensure_order = || -> Result<()> {
        let (found, expected) = (
            ids(&hook.query(cgroup.path())?),
            [a.id()?, b.id()?, c.id()?],
        );
        ensure!(found == expected, "{found:?}, not {expected:?}");
        Ok(())
    };
    apply(&[("a", &a), ("c", &c)])?;
    apply(&[("a", &a), ("b", &b), ("c", &c)])?;
    ensure_order()?;
    let applied = apply(&[("c", &c), ("b", &b), ("a", &a)])?;
    ensure_order()?;
    ensure_places(&applied, &[None, Some(false), Some(false)])?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

fn places_in_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    let [a, b, c] = [(); 3].map(|()| Program::passing(Hook::CGROUP_EGRESS));
    let [a, b, c] = [a?, b?, c?];
    let hook = CgroupHook::InetEgress;
    let to = || CgroupAttach::to(cgroup.path(), hook);
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent")).create_dir(0o700);
    let last = set.add("a", to(), &a)?;
    set.add_placed("b", to(), &b, Position::Before(&last))?;
    set.add_placed("c", to(), &c, Position::After(&last))?;
    let applied = set.apply()?;
    let (found, expected) = (
        ids(&hook.query(cgroup.path())?),
        [b.id()?, a.id()?, c.id()?],
    );
    ensure!(found == expected, "{found:?}, not {expected:?}");
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Where a new link can only come last, as in every cgroup before Linux 6.17, the report says which
/// link runs before it, and nothing of a hook that has the program twice.
fn in_a_cgroup_without_places(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    let [a, b, c] = [(); 3].map(|()| Program::passing(Hook::CGROUP_EGRESS));
    let (a, b, c) = (("a", a?), ("b", b?), ("c", c?));
    let to = || CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let apply = |links: &[&(&str, Program)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, program) in links {
            set.add(name, to(), program)?;
        }
        Ok(set.apply()?)
    };
    // By hand in the order that an old kernel ends up with.
    for links in [&[&a][..], &[&a, &c], &[&a, &c, &b]] {
        ensure_places(&apply(links)?, &vec![None; links.len()])?;
    }
    ensure_places(&apply(&[&a, &b, &c])?, &[None, None, Some(false)])?;
    let again = to().attach(&b.1)?;
    let applied = apply(&[&a, &b, &c])?;
    ensure_places(&applied, &[None, None, None])?;
    drop(again);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

fn ensure_places(applied: &Applied, expected: &[Option<bool>]) -> Result<()> {
    let report = applied.report();
    let places: Vec<_> = report.links.iter().map(|link| link.is_in_place).collect();
    ensure!(places == expected, "{report}");
    Ok(())
}

/// The order of adding is the order on the hook.
fn on_a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [a, b, c, d] = [(); 4].map(|()| Program::passing(Hook::TCX_INGRESS));
    let [a, b, c, d] = [a?, b?, c?, d?];
    let to = || TcxAttach::to("lo", TcxHook::Ingress);
    let order = || -> Result<Vec<u32>> { Ok(ids(&TcxHook::Ingress.query("lo")?)) };
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("a", to(), &a)?;
    set.add("c", to(), &c)?;
    set.apply()?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", to(), &a)?;
    set.add("b", to(), &b)?;
    let after = set.add("c", to(), &c)?;
    set.add_placed("d", to(), &d, Position::Before(&after))?;
    let applied = set.apply()?;
    let expected = [a.id()?, b.id()?, d.id()?, c.id()?];
    ensure!(order()? == expected, "{:?}, not {expected:?}", order()?);
    applied.stop()?;
    // A place that the options say is left to them.
    let mut set = LinkSet::in_dir(&directory);
    let first = set.add("a", to(), &a)?;
    set.add("b", to().position(Position::<Anchor<'_>>::First), &b)?;
    set.add_placed("c", to(), &c, Position::After(&first))?;
    let applied = set.apply()?;
    let expected = [b.id()?, a.id()?, c.id()?];
    ensure!(order()? == expected, "{:?}, not {expected:?}", order()?);
    applied.stop()?;
    ensure_nothing_left(sandbox)
}

/// Links stay where they are, and the report says which of them run before one that was added
/// earlier.
fn another_order_of_adding(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [one, two, three] = [(); 3].map(|()| Program::passing(Hook::TCX_INGRESS));
    let (a, b, c) = (("a", &one?), ("b", &two?), ("c", &three?));
    let elsewhere = Program::passing(Hook::TCX_EGRESS)?;
    let apply = |order: [(&str, &Program); 3]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for (name, program) in order {
            set.add(name, TcxAttach::to("lo", TcxHook::Ingress), program)?;
        }
        // On another hook there is no order between it and the others.
        let to = TcxAttach::to("lo", TcxHook::Egress);
        set.add("egress", to, &elsewhere)?;
        Ok(set.apply()?)
    };
    let expected_ids = [a.1.id()?, b.1.id()?, c.1.id()?];
    for (order, expected) in [
        ([a, b, c], [None, None, None, None]),
        ([c, b, a], [None, Some(false), Some(false), None]),
        ([b, a, c], [None, Some(false), None, None]),
    ] {
        ensure_places(&apply(order)?, &expected)?;
        ensure!(ids(&TcxHook::Ingress.query("lo")?) == expected_ids);
    }
    apply([a, b, c])?.stop()?;
    ensure_nothing_left(sandbox)
}

/// A new link is not put in front of one that asked for its position.
fn beside_links_with_positions(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [a, b, c] = [(); 3].map(|()| Program::passing(Hook::TCX_INGRESS));
    let [a, b, c] = [a?, b?, c?];
    let to = || TcxAttach::to("lo", TcxHook::Ingress);
    let first = || to().position(Position::<Anchor<'_>>::First);
    let order = || -> Result<Vec<u32>> { Ok(ids(&TcxHook::Ingress.query("lo")?)) };
    let new_set = || LinkSet::in_dir(&directory).create_dir(0o700);
    let mut set = new_set();
    set.add("b", first(), &b)?;
    set.apply()?;
    let mut set = new_set();
    set.add("a", to(), &a)?;
    set.add("b", first(), &b)?;
    let applied = set.apply()?;
    ensure_places(&applied, &[None, Some(true)])?;
    ensure!(order()? == [b.id()?, a.id()?], "{:?}", order()?);
    applied.stop()?;

    for with_another in [false, true] {
        let mut set = new_set();
        let before = set.add("a", to(), &a)?;
        if with_another {
            set.add("b", to(), &b)?;
        }
        set.add_placed("c", to(), &c, Position::After(&before))?;
        let applied = set.apply()?;
        let last = applied.report().links.last();
        let is_in_place = last.and_then(|link| link.is_in_place);
        ensure!(is_in_place == Some(true), "{}", applied.report());
        if with_another {
            ensure!(order()? == [a.id()?, c.id()?, b.id()?], "{:?}", order()?);
            applied.stop()?;
        }
    }
    ensure_nothing_left(sandbox)
}

/// The kernel takes no anchor from the other part of the list.
fn another_preorder(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    let [a, b] = [(); 2].map(|()| Program::passing(Hook::CGROUP_EGRESS));
    let (a, b) = (a?, b?);
    let to = || CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("b", to().preorder(), &b)?;
    set.apply()?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", to(), &a)?;
    set.add("b", to(), &b)?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

/// A set reports links that are not where they were to be, and does not move them.
fn out_of_place(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [a, b, c] = [(); 3].map(|()| Program::passing(Hook::TCX_INGRESS));
    let [a, b, c] = [a?, b?, c?];
    let to = || TcxAttach::to("lo", TcxHook::Ingress);
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    let anywhere = set.add("anywhere", to(), &a)?;
    let first = set.add("first", to().position(Position::<Anchor<'_>>::First), &b)?;
    let after = set.add_placed("after", to(), &c, Position::After(&first))?;
    let check = |in_place: bool| -> Result<()> {
        let applied = set.apply()?;
        let report = applied.report();
        let expected = [None, Some(in_place), Some(true)];
        ensure_places(&applied, &expected)?;
        for (key, expected) in [&anywhere, &first, &after].into_iter().zip(expected) {
            let link = applied.get(key).context("it is in the set")?;
            ensure!(link.is_in_place == expected, "{link:?}");
        }
        let says = report.to_string().contains("not in its position");
        ensure!(says != in_place, "{report}");
        Ok(())
    };
    check(true)?;
    let other = to()
        .position(Position::<Anchor<'_>>::First)
        .attach(&Program::passing(Hook::TCX_INGRESS)?)?;
    let before = ids(&TcxHook::Ingress.query("lo")?);
    check(false)?;
    ensure!(ids(&TcxHook::Ingress.query("lo")?) == before);
    drop(other);
    eventually_holds("first again", || {
        Ok(ids(&TcxHook::Ingress.query("lo")?).len() == 3)
    })?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}
