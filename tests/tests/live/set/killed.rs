//! A set that is applied, killed before each of its system calls while events flow: the next time
//! it comes to the same end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{
    CounterMap, Hook, Loader, Program, Sandbox, eventually_holds, in_form, own_code,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Link, LinkSet, NetfilterAttach, NetfilterFamily, NetfilterHook,
    ProgramId, TcxAttach, TcxHook, UprobeMultiAttach, XdpAttach, attach::When, set::Stale,
};

use crate::ensure::end::our_links;
use crate::fixture::random::Random;
use crate::fixture::traffic::send_packet;
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(anew)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(exchanged)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(undone)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(upgraded)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
];

pub(crate) const ROLES: &[Role] = &[role!(agent)];

/// In the short form it is killed before every seventh of its calls, starting at a random one.
const STRIDE: usize = 7;

/// What is in the set. All programs of one of these count in one counter, so that it shows by how
/// many an event is seen.
const HOOKS: [Hook; 5] = [
    Hook::XDP,
    Hook::TCX_INGRESS,
    Hook::CGROUP_EGRESS,
    Hook::UPROBE_MULTI,
    Hook::NETFILTER,
];

const NAMES: [&str; 5] = ["xdp", "tcx", "cgroup", "uprobe", "netfilter"];

/// How many of them are updated in place.
const IN_PLACE: usize = 3;

/// The version of an agent.
struct Agent<'a> {
    directory: &'a Path,
    cgroup: &'a Path,
    /// Whose function is probed.
    process: u32,
    counters: &'a [CounterMap; 5],
}

impl Agent<'_> {
    fn load(&self) -> Result<Vec<Program>> {
        let hooks = HOOKS.iter().zip(self.counters);
        hooks
            .map(|(hook, counter)| Loader::new(*hook).counting(counter).passing())
            .collect()
    }

    fn set<'b>(
        &'b self,
        programs: &'b [Program],
        offsets: &'b [u64],
        names: [&str; 5],
    ) -> Result<LinkSet<'b>> {
        let [xdp, tcx, egress, uprobe, netfilter] = programs else {
            anyhow::bail!("{} programs", programs.len());
        };
        let mut set = LinkSet::in_dir(self.directory)
            .create_dir(0o700)
            .remove_stale(Stale::all());
        set.add(names[0], XdpAttach::to("lo"), xdp)?;
        set.add(names[1], TcxAttach::to("lo", TcxHook::Ingress), tcx)?;
        let to = CgroupAttach::to(self.cgroup, CgroupHook::InetEgress);
        set.add(names[2], to, egress)?;
        let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).pid(self.process);
        set.add(names[3], to, uprobe)?;
        let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, -10_000);
        set.add(names[4], to, netfilter)?;
        Ok(set)
    }
}

/// An agent of a new version: loads its programs, and applies its set when it is told.
fn agent(arguments: &[String]) -> Result<()> {
    let [directory, cgroup, process, names, what, counters @ ..] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let counters: Vec<CounterMap> = counters
        .iter()
        .map(|id| CounterMap::from_id(id.parse()?))
        .collect::<Result<_>>()?;
    let counters = counters
        .try_into()
        .map_err(|_| anyhow!("not five counters"))?;
    let agent = Agent {
        directory: directory.as_ref(),
        cgroup: cgroup.as_ref(),
        process: process.parse()?,
        counters: &counters,
    };
    let mut programs = agent.load()?;
    if what == MISFIT {
        *programs.last_mut().context("there are some")? = Program::passing(Hook::CGROUP_DEVICE)?;
    }
    let names: Vec<&str> = names.split(',').collect();
    let names = names.try_into().map_err(|_| anyhow!("not five names"))?;
    let offsets = [offset_of(first)?];
    let set = agent.set(&programs, &offsets, names)?;
    role::say("ready")?;
    role::listen()?;
    let applied = set.apply();
    ensure!(applied.is_err() == (what == MISFIT), "{applied:?}");
    Ok(())
}

/// The last of the programs cannot be attached.
const MISFIT: &str = "misfit";
const FITTING: &str = "fitting";

struct Scenario<'a> {
    sandbox: &'a Sandbox,
    directory: PathBuf,
    cgroup: PathBuf,
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
            cgroup: &self.cgroup,
            process: std::process::id(),
            counters: &self.counters,
        }
    }

    fn check(
        sandbox: &Sandbox,
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

    /// Kills an agent before this call; whether it has come to its end.
    fn kill_before(&self, number: usize) -> Result<bool> {
        let agent = self.agent();
        let offsets = [offset_of(first)?];
        let old = agent.load()?;
        if let Some(names) = self.before {
            agent.set(&old, &offsets, names)?.apply()?;
        }
        let mut traced = self.player()?.trace("start")?;
        let newest = agent.load()?;
        let next = agent.set(&newest, &offsets, self.names)?;
        let mut ended = false;
        let events = while_events_flow(&self.counters, || {
            let mut ahead = traced.next_call()?;
            for _ in 1..number {
                if ahead.is_some() {
                    ahead = traced.next_call()?;
                }
            }
            ended = ahead.is_none();
            if ended {
                traced.finish()?;
            } else {
                traced.kill()?;
            }
            let applied = next.apply()?;
            ensure!(applied.is_ours()?);
            Ok(())
        });
        let events = events.with_context(|| format!("killed before call {number}"))?;
        events
            .judge(self.before.is_some())
            .and_then(|()| self.ensure_runs(&newest))
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

    fn player(&self) -> Result<role::Player> {
        let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
        let mut arguments = vec![
            text(&self.directory)?,
            text(&self.cgroup)?,
            std::process::id().to_string(),
            self.names.join(","),
            self.what.to_owned(),
        ];
        for counter in &self.counters {
            arguments.push(counter.id()?.to_string());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut player = role!(agent).start(&arguments)?;
        ensure!(player.hear()? == "ready");
        Ok(player)
    }

    /// There are these links, each pinned by its name and by no other.
    fn ensure_runs(&self, programs: &[Program]) -> Result<()> {
        for (name, program) in self.names.iter().zip(programs) {
            let found = Link::from_pinned(self.directory.join(name))?
                .info()?
                .program_id();
            ensure!(
                found.map(ProgramId::get) == Some(program.id()?),
                "{name}: {found:?}"
            );
        }
        let pinned = self.sandbox.pinned()?;
        ensure!(pinned.len() == 5, "{pinned:?}");
        eventually_holds("five links", || Ok(our_links()?.len() == 5))
    }
}

/// How many events there were, and how often programs of each hook have run.
#[derive(Debug)]
struct Events {
    sent: u64,
    seen: Vec<u64>,
}

impl Events {
    /// Updated in place: every event is seen by exactly one version. Replaced beside the old: by
    /// one at least. On a hook that takes one program: by one at most.
    ///
    /// Where nothing was there, what the killed agent had attached may run a little longer.
    fn judge(&self, were_there: bool) -> Result<()> {
        ensure!(self.sent > 0);
        for (index, (seen, name)) in self.seen.iter().zip(NAMES).enumerate() {
            let is_right = match index {
                index if index < IN_PLACE && were_there => *seen == self.sent,
                3 if were_there => *seen >= self.sent,
                0 | 4 => *seen <= self.sent,
                _ => true,
            };
            ensure!(is_right, "{name}: {self:?}");
        }
        Ok(())
    }
}

/// Sends events until the work is done.
fn while_events_flow(
    counters: &[CounterMap; 5],
    work: impl FnOnce() -> Result<()>,
) -> Result<Events> {
    let read = || -> Result<Vec<u64>> { counters.iter().map(CounterMap::read).collect() };
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = read()?;
    let (sender, worked) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                sent.fetch_add(1, Ordering::Relaxed);
                first(1);
                send_packet()?;
                std::thread::sleep(Duration::from_micros(50));
            }
            Ok(())
        });
        // One before the kill at least.
        while sent.load(Ordering::Relaxed) < 2 && !sender.is_finished() {
            std::thread::yield_now();
        }
        let worked = work();
        over.store(true, Ordering::Relaxed);
        (sender.join(), worked)
    });
    worked?;
    sender.map_err(|_| anyhow!("the sender has panicked"))??;
    let seen = read()?
        .iter()
        .zip(&before)
        .map(|(now, before)| now - before)
        .collect();
    Ok(Events {
        sent: sent.into_inner(),
        seen,
    })
}

/// Nothing is there yet, not even the directory.
fn anew(sandbox: &Sandbox) -> Result<()> {
    Scenario::check(sandbox, None, NAMES, FITTING)
}

/// The version before has the same names.
fn upgraded(sandbox: &Sandbox) -> Result<()> {
    Scenario::check(sandbox, Some(NAMES), NAMES, FITTING)
}

/// Each name was that of another kind, or of none.
fn exchanged(sandbox: &Sandbox) -> Result<()> {
    let names = ["tcx", "xdp", "uprobe", "another", "cgroup"];
    Scenario::check(sandbox, Some(NAMES), names, FITTING)
}

/// It is killed while it undoes what it has done, too.
fn undone(sandbox: &Sandbox) -> Result<()> {
    Scenario::check(sandbox, Some(NAMES), NAMES, MISFIT)
}
