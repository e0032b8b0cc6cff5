//! Agents that apply sets in one directory at the same moment.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Program, Sandbox, eventually_holds, in_form, names};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Link, LinkSet, NetnsAttach, NetnsHook, ProgramId,
    RawTracepointAttach, XdpAttach,
    ensure::Ours,
    set::{Applied, Stale},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::harness::role::Player;
use crate::harness::{Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(different_sets).minutes(10),
    test!(one_stops).minutes(10),
];

pub(crate) const ROLES: &[Role] = &[role!(agent)];

/// How often, in the short form and in the long one.
const ROUNDS: [u32; 2] = [10, 1_000];

/// The names of each agent's links: one has the other's names for other kinds, and one of its own.
const NAMES: [[&str; 4]; 2] = [
    ["xdp", "egress", "lookup", "entry"],
    ["egress", "xdp", "entry", "another"],
];

/// Loads four programs, and applies a set of them when it is told; says which programs they are.
/// Then, when it is told, lets go of them.
fn agent(arguments: &[String]) -> Result<()> {
    let [directory, cgroup, number] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let names = NAMES
        .get(number.parse::<usize>()?)
        .context("no such agent")?;
    let programs = [
        Program::passing(Hook::XDP)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::SK_LOOKUP)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    ];
    let ids: Vec<String> = programs
        .iter()
        .map(|program| Ok(program.id()?.to_string()))
        .collect::<Result<_>>()?;
    role::say(&ids.join(" "))?;
    role::listen()?;
    let applied = apply(directory.as_ref(), cgroup.as_ref(), names, &programs)?;
    role::say("applied")?;
    role::listen()?;
    applied.stop()?;
    Ok(())
}

fn apply(
    directory: &Path,
    cgroup: &Path,
    names: &[&str; 4],
    [xdp, egress, lookup, entry]: &[Program; 4],
) -> Result<Applied> {
    let mut set = LinkSet::in_dir(directory)
        .create_dir(0o700)
        .remove_stale(Stale::all());
    set.add(names[0], XdpAttach::to("lo"), xdp)?;
    set.add(
        names[1],
        CgroupAttach::to(cgroup, CgroupHook::InetEgress),
        egress,
    )?;
    let to = NetnsAttach::to("/proc/self/ns/net", NetnsHook::SkLookup);
    set.add(names[2], to, lookup)?;
    set.add(names[3], RawTracepointAttach::to(c"sys_enter"), entry)?;
    Ok(set.apply()?)
}

/// An agent, and the programs of its set.
fn start(directory: &Path, cgroup: &Path, number: usize) -> Result<(Player, Vec<u32>)> {
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
    let (directory, cgroup) = (text(directory)?, text(cgroup)?);
    let mut player = role!(agent).start(&[&directory, &cgroup, &number.to_string()])?;
    let heard = player.hear()?;
    let ids = heard.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    Ok((player, ids))
}

/// Which agent's set is there: whole, and nothing else.
fn ensure_one_of(sandbox: &Sandbox, directory: &Path, programs: [&[u32]; 2]) -> Result<usize> {
    let program_at = |name: &str| -> Result<Option<u32>> {
        let link = Link::from_pinned(directory.join(name))?;
        Ok(link.info()?.program_id().map(ProgramId::get))
    };
    let mut found = None;
    for (number, (names, ids)) in NAMES.iter().zip(programs).enumerate() {
        let runs = names
            .iter()
            .zip(ids)
            .all(|(name, id)| program_at(name).is_ok_and(|found| found == Some(*id)));
        found = found.or(runs.then_some(number));
    }
    let found = found.with_context(|| format!("neither is whole: {:?}", sandbox.pinned()))?;
    ensure!(sandbox.pinned()?.len() == 4, "{:?}", sandbox.pinned()?);
    Ok(found)
}

/// The set that is there is one of the two, whole.
fn different_sets(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    for round in 0..in_form(ROUNDS[0], ROUNDS[1]) {
        let mut agents = [
            start(&directory, cgroup.path(), 0)?,
            start(&directory, cgroup.path(), 1)?,
        ];
        for (player, _) in &mut agents {
            player.tell("now")?;
        }
        for (player, _) in &mut agents {
            ensure!(player.hear()? == "applied");
        }
        let [(one, first), (other, second)] = agents;
        let found = ensure_one_of(sandbox, &directory, [&first, &second])
            .with_context(|| format!("round {round}"))?;
        // Every other time they stop, and what is not theirs any more stays.
        if round % 2 == 0 {
            let [winner, loser] = if found == 0 {
                [one, other]
            } else {
                [other, one]
            };
            loser.finish()?;
            let still = ensure_one_of(sandbox, &directory, [&first, &second])?;
            ensure!(still == found, "the overtaken agent has changed something");
            winner.finish()?;
            eventually_holds("nothing is left", || Ok(our_links()?.is_empty()))?;
        } else {
            one.kill()?;
            other.kill()?;
        }
    }
    let ours = Ours::by_name(std::ffi::CString::new(names::object_name("prog"))?);
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::running([ours]))
        .apply()?;
    ensure_nothing_left(sandbox)
}

/// One stops while the other takes over: the successor's set is there, whole.
fn one_stops(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let cgroup = sandbox.new_cgroup("agent")?;
    for round in 0..in_form(ROUNDS[0], ROUNDS[1]) {
        let (mut old, first) = start(&directory, cgroup.path(), 0)?;
        old.tell("now")?;
        ensure!(old.hear()? == "applied");
        let (mut new, second) = start(&directory, cgroup.path(), 1)?;
        new.tell("now")?;
        old.tell("stop")?;
        ensure!(new.hear()? == "applied");
        old.finish()?;
        let found = ensure_one_of(sandbox, &directory, [&first, &second])
            .with_context(|| format!("round {round}"))?;
        ensure!(found == 1, "the old set is there");
        new.finish()?;
        eventually_holds("nothing is left", || Ok(our_links()?.is_empty()))?;
    }
    ensure_nothing_left(sandbox)
}
