//! A set that is applied, killed before each of its system calls while events flow: the next time
//! it comes to the same end.

mod agent;
mod events;

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{
    CounterMap, Device, DeviceKind, Hook, Map, Program, Sandbox, eventually_holds, in_form,
};
use bpf_link_typed::{LinkSet, XdpAttach, ensure::Attached, set::Stale};

use crate::ensure::end::{is_pinned, our_links};
use crate::ensure::id_of;
use crate::fixture::random::Random;
use crate::harness::{Need, Test, test};
use crate::set::five::ensure_pinned;
use crate::set::kinds::{Kinds, Places, with_a_probe};
use agent::{Agent, FITTING, MISFIT, REMOVING, STALE};
use events::while_events_flow;

pub(crate) const TESTS: &[Test] = &[
    test!(anew_on_old_kernels).minutes(20),
    with_a_probe(test!(anew)).minutes(20),
    test!(beside_a_stale_link)
        .needs(&[Need::Device(DeviceKind::Veth)])
        .minutes(20),
    test!(exchanged_on_old_kernels).minutes(20),
    with_a_probe(test!(exchanged)).minutes(20),
    test!(undone_on_old_kernels).minutes(20),
    with_a_probe(test!(undone)).minutes(20),
    test!(upgraded_on_old_kernels).minutes(20),
    with_a_probe(test!(upgraded)).minutes(20),
];

pub(crate) use agent::ROLES;

/// In the short form it is killed before every seventh of its calls, starting at a random one.
const STRIDE: usize = 7;

struct Scenario<'a> {
    sandbox: &'a Sandbox,
    directory: PathBuf,
    cgroup: PathBuf,
    kinds: Kinds,
    elements: Map,
    counters: [CounterMap; 5],
    /// The names of the version that runs; none does without names.
    before: Option<[&'a str; 5]>,
    /// What the agent that is killed is told.
    names: [&'a str; 5],
    what: &'a str,
}

impl<'a> Scenario<'a> {
    fn agent(&self) -> Agent<'_> {
        Agent {
            directory: &self.directory,
            places: Places {
                cgroup: &self.cgroup,
                elements: &self.elements,
                process: std::process::id(),
            },
            kinds: self.kinds,
            counters: &self.counters,
        }
    }

    fn check(
        sandbox: &Sandbox,
        kinds: Kinds,
        before: Option<[&'a str; 5]>,
        names: [&'a str; 5],
        what: &'a str,
    ) -> Result<()> {
        let cgroup = sandbox.new_cgroup("agent")?;
        let counters: Vec<CounterMap> = (0..5).map(|_| CounterMap::new()).collect::<Result<_>>()?;
        let scenario = Scenario {
            sandbox,
            directory: sandbox.bpffs().join("agent"),
            cgroup: cgroup.path().to_owned(),
            kinds,
            elements: Map::array(4, 1)?,
            counters: counters.try_into().map_err(|_| anyhow!("not five"))?,
            before,
            names,
            what,
        };
        // Events are sent from here.
        cgroup.inside(|| scenario.kill_everywhere())
    }

    /// Kills an agent before the first of its calls, the next one before a later one, and so on
    /// until one gets to its end.
    fn kill_everywhere(&self) -> Result<()> {
        let stride = in_form(STRIDE, 1);
        let start = 1 + Random::new(Random::any_seed()?, 0).below(stride);
        let mut calls = 0;
        for number in (start..).step_by(stride) {
            let ended = self.kill_before(number)?;
            if ended {
                break;
            }
            calls = number;
        }
        // It looks at, attaches and pins five links.
        ensure!(calls > 60, "it makes only some {calls} calls");
        Ok(())
    }

    fn ensure_pinned(&self, programs: &[Program; 5]) -> Result<()> {
        let ids: Vec<Attached> = programs
            .iter()
            .map(|program| Ok(Attached::Program(id_of(program)?)))
            .collect::<Result<_>>()?;
        let ids = ids.try_into().map_err(|_| anyhow!("not five"))?;
        ensure_pinned(self.sandbox, &self.directory, self.names, ids).map(drop)
    }

    /// Kills an agent before this call; whether it has come to its end.
    fn kill_before(&self, number: usize) -> Result<bool> {
        let agent = self.agent();
        let old = agent.load()?;
        if let Some(names) = self.before {
            agent.set(&old, names, FITTING)?.apply()?;
        }
        let stale = self.directory.join(STALE);
        if self.what == REMOVING {
            let program = Program::passing(Hook::XDP)?;
            XdpAttach::to("other").attach(&program)?.pin(&stale)?;
        }
        let traced = agent.start(self.names, self.what)?.trace("start")?;
        let newest = agent.load()?;
        let next = agent.set(&newest, self.names, self.what)?;
        let mut ended = false;
        // It stays the same link.
        let elements = match self.before {
            Some(names) => self.kinds.iterator(&self.directory, names)?,
            None => None,
        };
        let events = while_events_flow(&self.counters, elements.as_ref(), || {
            ended = traced.kill_before(number)?.is_none();
            let applied = next.apply()?;
            ensure!(applied.is_ours()? && !is_pinned(&stale));
            Ok(())
        });
        drop(elements);
        let events = events.with_context(|| format!("killed before call {number}"))?;
        events
            .judge(self.kinds, self.before.is_some())
            .and_then(|()| self.ensure_pinned(&newest))
            .with_context(|| format!("killed before call {number}"))?;
        LinkSet::in_dir(&self.directory)
            .remove_stale(Stale::all())
            .apply()?;
        eventually_holds("nothing is left", || Ok(our_links()?.is_empty()))?;
        ensure!(self.sandbox.pinned()?.is_empty());
        if self.before.is_none() {
            std::fs::remove_dir(&self.directory)?;
        }
        Ok(ended)
    }
}

/// Nothing is there yet, not even the directory.
fn check_anew(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    Scenario::check(sandbox, kinds, None, kinds.names(), FITTING)
}

/// The version before has the same names.
fn check_upgraded(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let names = kinds.names();
    Scenario::check(sandbox, kinds, Some(names), names, FITTING)
}

/// Each name was that of another kind, or of none.
fn check_exchanged(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let before @ [first, second, third, fourth, _] = kinds.names();
    let names = [second, first, fourth, "another", third];
    Scenario::check(sandbox, kinds, Some(before), names, FITTING)
}

/// It is killed while it undoes what it has done, too.
fn check_undone(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let names = kinds.names();
    Scenario::check(sandbox, kinds, Some(names), names, MISFIT)
}

/// It is killed while it removes that, too.
fn beside_a_stale_link(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "other")?;
    let kinds = Kinds::OfEachKernel;
    let names = kinds.names();
    Scenario::check(sandbox, kinds, Some(names), names, REMOVING)?;
    device.delete()
}

fn anew(sandbox: &Sandbox) -> Result<()> {
    check_anew(sandbox, Kinds::WithAProbe)
}

fn anew_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_anew(sandbox, Kinds::OfEachKernel)
}

fn upgraded(sandbox: &Sandbox) -> Result<()> {
    check_upgraded(sandbox, Kinds::WithAProbe)
}

fn upgraded_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_upgraded(sandbox, Kinds::OfEachKernel)
}

fn exchanged(sandbox: &Sandbox) -> Result<()> {
    check_exchanged(sandbox, Kinds::WithAProbe)
}

fn exchanged_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_exchanged(sandbox, Kinds::OfEachKernel)
}

fn undone(sandbox: &Sandbox) -> Result<()> {
    check_undone(sandbox, Kinds::WithAProbe)
}

fn undone_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_undone(sandbox, Kinds::OfEachKernel)
}
