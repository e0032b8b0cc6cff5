//! Hooks that an old link of the set keeps taken from another hook.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use bpf_link_tests::{Hook, Map, Netns, Program, Sandbox};
use bpf_link_typed::{
    Link, LinkSet, MapInfo, NetnsAttach, NetnsHook, SockmapAttach, SockmapHook, SockmapLink,
    ensure::Outcome,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::harness::{Need, Test, test};
use crate::set::links_of;

pub(crate) const TESTS: &[Test] = &[
    test!(dissectors_of_two_namespaces),
    test!(verdicts_that_exclude_each_other).needs(Need::SOCKMAP),
];

/// A set of a dissector in this namespace.
fn dissector<'n>(directory: &Path, name: &str, netns: &'n Netns) -> Result<LinkSet<'n>> {
    let program = Arc::new(Program::passing(Hook::FLOW_DISSECTOR)?);
    let mut set = LinkSet::in_dir(directory).create_dir(0o700);
    let to = NetnsAttach::to(netns.as_fd(), NetnsHook::FlowDissector);
    set.add(name, to, program)?;
    Ok(set)
}

/// A dissector in the first namespace keeps dissectors off all others. The old link is not in that
/// one. An attempt shows that it is not in the way, and so it is not replaced.
fn dissectors_of_two_namespaces(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [one, other] = [Netns::create()?, Netns::create()?];
    let before = dissector(&directory, "a", &one)?.apply()?;
    let [first] = links_of(before.report())?;
    drop(before);
    let applied = dissector(&directory, "b", &other)?.apply()?;
    let report = applied.report();
    let ([created], [stale]) = (&*report.links, &*report.stale) else {
        bail!("{report}");
    };
    ensure!(
        created.outcome == Outcome::Created && stale.link == first,
        "{report}"
    );
    applied.stop()?;
    Link::from_pinned(directory.join("a"))?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// A map takes one of two sorts of verdict. So the link with the other sort is in the way, whatever
/// its name, and one on another slot is not.
fn verdicts_that_exclude_each_other(sandbox: &Sandbox) -> Result<()> {
    use SockmapHook::{MsgVerdict, SkbStreamVerdict, SkbVerdict};
    let directory = sandbox.bpffs().join("agent");
    let [one, two] = [&Map::sockmap(1)?, &Map::sockmap(1)?];
    let apply = |links: &[(&str, &Map, SockmapHook)]| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        for &(name, map, hook) in links {
            let of = match hook {
                SkbVerdict => Hook::SK_SKB_VERDICT,
                SkbStreamVerdict => Hook::SK_SKB_STREAM_VERDICT,
                _ => Hook::SK_MSG_VERDICT,
            };
            let program = Arc::new(Program::passing(of)?);
            set.add(name, SockmapAttach::to(map, hook), program)?;
        }
        let (plan, applied) = (set.plan()?, set.apply()?);
        for &(name, map, hook) in links {
            let info = SockmapLink::from_pinned(directory.join(name))?.info()?;
            let expected = (Some(MapInfo::of(map)?.id), hook);
            ensure!((info.map_id, info.attach_type) == expected, "{info:?}");
        }
        Ok((plan, applied))
    };
    apply(&[("a", one, SkbVerdict), ("b", two, SkbStreamVerdict)])?;
    // One has a new name, the other that of a link on the other map.
    let (plan, applied) = apply(&[("c", one, SkbStreamVerdict), ("a", two, SkbVerdict)])?;
    ensure!(plan.others.is_empty(), "{plan}");
    let report = applied.report();
    for (link, before) in report.links.iter().zip(["a", "b"]) {
        let is_replaced = matches!(link.outcome, Outcome::Replaced { .. });
        ensure!(
            is_replaced && link.before.as_deref() == Some(before),
            "{report}"
        );
    }
    ensure!(
        report.stale.is_empty() && our_links()?.len() == 2,
        "{report}"
    );
    drop(applied);
    let (plan, applied) = apply(&[("d", one, MsgVerdict)])?;
    ensure!(plan.others.len() == 2, "{plan}");
    let report = applied.report();
    let created = report.links.iter().map(|link| link.outcome);
    ensure!(created.eq([Outcome::Created]), "{report}");
    ensure!(
        report.stale.len() == 2 && our_links()?.len() == 3,
        "{report}"
    );
    drop(applied);
    let (_, applied) = apply(&[
        ("a", two, SkbVerdict),
        ("c", one, SkbVerdict),
        ("d", one, MsgVerdict),
    ])?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}
