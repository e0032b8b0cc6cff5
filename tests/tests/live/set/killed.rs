//! A set that is applied, killed before each of its system calls while events flow: the next time
//! it comes to the same end.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{
    CounterMap, Hook, Loader, Map, Program, Sandbox, eventually_holds, in_form, own_code,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, IterLink, Link, LinkSet, NetfilterAttach,
    NetfilterFamily, NetfilterHook, NetnsAttach, NetnsHook, ProgramId, RawTracepointAttach,
    TcxAttach, TcxHook, UprobeMultiAttach, XdpAttach, attach::When, set::Stale,
};

use crate::ensure::end::our_links;
use crate::fixture::random::Random;
use crate::fixture::traffic::send_packet;
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(anew_on_old_kernels).minutes(20),
    test!(anew)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(exchanged_on_old_kernels).minutes(20),
    test!(exchanged)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(undone_on_old_kernels).minutes(20),
    test!(undone)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
    test!(upgraded_on_old_kernels).minutes(20),
    test!(upgraded)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER)
        .also_needs(Need::UPROBE_MULTI)
        .minutes(20),
];

pub(crate) const ROLES: &[Role] = &[role!(agent)];

/// In the short form it is killed before every seventh of its calls, starting at a random one.
const STRIDE: usize = 7;

/// What is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    /// One of each sort.
    OfEachSort,
    /// Those that every kernel has.
    OfEachKernel,
}

/// How a link comes to run another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InPlace,
    /// In place, on a hook that takes one program.
    InPlaceAlone,
    /// A new link is attached beside the old.
    Beside,
    /// On a hook that takes one program.
    Gap,
}

impl Kinds {
    fn name(self) -> &'static str {
        match self {
            Self::OfEachSort => "of_each_sort",
            Self::OfEachKernel => "of_each_kernel",
        }
    }

    fn from_name(name: &str) -> Result<Self> {
        let all = [Self::OfEachSort, Self::OfEachKernel];
        let found = all.into_iter().find(|kinds| kinds.name() == name);
        found.with_context(|| format!("no such kinds: {name}"))
    }

    fn names(self) -> [&'static str; 5] {
        match self {
            Self::OfEachSort => ["xdp", "tcx", "cgroup", "uprobe", "netfilter"],
            Self::OfEachKernel => ["xdp", "cgroup", "lookup", "elements", "entry"],
        }
    }

    /// As if each name had been that of another kind, or of none.
    fn exchanged_names(self) -> [&'static str; 5] {
        match self {
            Self::OfEachSort => ["tcx", "xdp", "uprobe", "another", "cgroup"],
            Self::OfEachKernel => ["cgroup", "xdp", "elements", "another", "lookup"],
        }
    }

    fn ways(self) -> [Way; 5] {
        use Way::{Beside, Gap, InPlace, InPlaceAlone};
        match self {
            Self::OfEachSort => [InPlaceAlone, InPlace, InPlace, Beside, Gap],
            Self::OfEachKernel => [InPlaceAlone, InPlace, InPlace, InPlace, Beside],
        }
    }

    /// How often an event is counted by each. An iterator's program runs for the element, and at
    /// the end.
    fn per_event(self) -> [u64; 5] {
        match self {
            Self::OfEachSort => [1; 5],
            Self::OfEachKernel => [1, 1, 1, 2, 1],
        }
    }

    /// Loads the programs of a version. All programs of one of these count in one counter, so that
    /// it shows by how many an event is seen.
    fn load(self, counters: &[CounterMap; 5]) -> Result<Vec<Program>> {
        let loaders = match self {
            Self::OfEachSort => [
                Loader::new(Hook::XDP),
                Loader::new(Hook::TCX_INGRESS),
                Loader::new(Hook::CGROUP_EGRESS),
                Loader::new(Hook::UPROBE_MULTI),
                Loader::new(Hook::NETFILTER),
            ],
            Self::OfEachKernel => [
                Loader::new(Hook::XDP),
                Loader::new(Hook::CGROUP_EGRESS),
                Loader::new(Hook::SK_LOOKUP),
                Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?,
                // One system call out of all, by its number in the record.
                Loader::new(Hook::RAW_TRACEPOINT)
                    .where_context_has(8, libc::SYS_getppid.try_into()?),
            ],
        };
        let loaders = loaders.into_iter().zip(counters);
        loaders
            .map(|(loader, counter)| loader.counting(counter).passing())
            .collect()
    }
}

/// The version of an agent.
struct Agent<'a> {
    directory: &'a Path,
    cgroup: &'a Path,
    /// Whose function is probed.
    process: u32,
    kinds: Kinds,
    /// What the iterator goes over.
    elements: &'a Map,
    counters: &'a [CounterMap; 5],
}

impl Agent<'_> {
    fn load(&self) -> Result<Vec<Program>> {
        self.kinds.load(self.counters)
    }

    fn set<'b>(
        &'b self,
        programs: &'b [Program],
        offsets: &'b [u64],
        names: [&str; 5],
    ) -> Result<LinkSet<'b>> {
        let [first, second, third, fourth, fifth] = programs else {
            anyhow::bail!("{} programs", programs.len());
        };
        let mut set = LinkSet::in_dir(self.directory)
            .create_dir(0o700)
            .remove_stale(Stale::all());
        let egress = CgroupAttach::to(self.cgroup, CgroupHook::InetEgress);
        set.add(names[0], XdpAttach::to("lo"), first)?;
        match self.kinds {
            Kinds::OfEachSort => {
                set.add(names[1], TcxAttach::to("lo", TcxHook::Ingress), second)?;
                set.add(names[2], egress, third)?;
                let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets);
                set.add(names[3], to.pid(self.process), fourth)?;
                let (family, hook) = (NetfilterFamily::Ipv4, NetfilterHook::PostRouting);
                let to = NetfilterAttach::to(family, hook, -10_000);
                set.add(names[4], to, fifth)?;
            }
            Kinds::OfEachKernel => {
                set.add(names[1], egress, second)?;
                let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
                set.add(names[2], to, third)?;
                set.add(names[3], IterAttach::over_map(self.elements), fourth)?;
                set.add(names[4], RawTracepointAttach::to(c"sys_enter"), fifth)?;
            }
        }
        Ok(set)
    }
}

/// An agent of a new version: loads its programs, and applies its set when it is told.
fn agent(arguments: &[String]) -> Result<()> {
    let [
        directory,
        cgroup,
        process,
        kinds,
        elements,
        names,
        what,
        counters @ ..,
    ] = arguments
    else {
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
        kinds: Kinds::from_name(kinds)?,
        elements: &Map::from_id(elements.parse()?)?,
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
            cgroup: &self.cgroup,
            process: std::process::id(),
            kinds: self.kinds,
            elements: &self.elements,
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
        // It stays the same link.
        let elements = match self.before {
            Some(names) if self.kinds == Kinds::OfEachKernel => {
                Some(IterLink::from_pinned(self.directory.join(names[3]))?)
            }
            _ => None,
        };
        let events = while_events_flow(&self.counters, elements.as_ref(), || {
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
        drop(elements);
        let events = events.with_context(|| format!("killed before call {number}"))?;
        events
            .judge(self.kinds, self.before.is_some())
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
            self.kinds.name().to_owned(),
            self.elements.id()?.to_string(),
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
    fn judge(&self, kinds: Kinds, were_there: bool) -> Result<()> {
        ensure!(self.sent > 0);
        let links = kinds.names().into_iter().zip(kinds.ways());
        let counts = self.seen.iter().zip(kinds.per_event());
        for ((name, way), (&seen, per_event)) in links.zip(counts) {
            let sent = self.sent * per_event;
            let is_right = match way {
                Way::InPlace | Way::InPlaceAlone if were_there => seen == sent,
                Way::Beside if were_there => seen >= sent,
                Way::InPlaceAlone | Way::Gap => seen <= sent,
                Way::InPlace | Way::Beside => true,
            };
            ensure!(is_right, "{name}: {self:?}");
        }
        Ok(())
    }
}

/// Sends events until the work is done.
fn while_events_flow(
    counters: &[CounterMap; 5],
    elements: Option<&IterLink>,
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
                let _parent = rustix::process::getppid();
                if let Some(elements) = elements {
                    elements.create_iter()?.read_to_end(&mut Vec::new())?;
                }
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
    let before = Some(kinds.names());
    Scenario::check(sandbox, kinds, before, kinds.exchanged_names(), FITTING)
}

/// It is killed while it undoes what it has done, too.
fn check_undone(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let names = kinds.names();
    Scenario::check(sandbox, kinds, Some(names), names, MISFIT)
}

fn anew(sandbox: &Sandbox) -> Result<()> {
    check_anew(sandbox, Kinds::OfEachSort)
}

fn anew_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_anew(sandbox, Kinds::OfEachKernel)
}

fn upgraded(sandbox: &Sandbox) -> Result<()> {
    check_upgraded(sandbox, Kinds::OfEachSort)
}

fn upgraded_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_upgraded(sandbox, Kinds::OfEachKernel)
}

fn exchanged(sandbox: &Sandbox) -> Result<()> {
    check_exchanged(sandbox, Kinds::OfEachSort)
}

fn exchanged_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_exchanged(sandbox, Kinds::OfEachKernel)
}

fn undone(sandbox: &Sandbox) -> Result<()> {
    check_undone(sandbox, Kinds::OfEachSort)
}

fn undone_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    check_undone(sandbox, Kinds::OfEachKernel)
}
