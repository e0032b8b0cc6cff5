//! Agents: they know a hook and the path of a pin, and nothing of what was done before them.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{MapId, open_map, open_program};
use bpf_link_tests::{PATIENCE, eventually_holds, links};
use bpf_link_typed::{
    Attach as _, AttachProgram, CgroupAttach, CgroupHook, IterAttach, KprobeEvent,
    KprobeMultiAttach, Link, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach,
    NetkitHook, NetnsAttach, NetnsHook, PerfEventAttach, ProgramId, RawTracepointAttach,
    SockmapAttach, SockmapHook, StructOpsAttach, TcxAttach, TcxHook, TracepointEvent,
    TracingAttach, TracingHook, XdpAttach,
    attach::When,
    ensure::{Attached, OldLink, Outcome},
};

use crate::ensure::end::Done;
use crate::functions::kernel::SYMBOLS;
use crate::harness::role::Player;
use crate::harness::{Role, role};

pub(crate) const ROLES: &[Role] = &[role!(contender), role!(restarted)];

/// The function that probes are on: `getppid(2)`.
const PROBED: &CStr = SYMBOLS[2];

/// What an agent is told: the hook's target, the path of its pin, and its version of the program.
type Run = fn(&str, &Path, BorrowedFd<'_>) -> Result<Done>;

/// An agent, and its name.
#[derive(Debug)]
pub(crate) struct Agent {
    name: &'static str,
    run: Run,
}

macro_rules! agents {
    ($($function:ident),+ $(,)?) => {
        const AGENTS: &[Agent] = &[$( Agent { name: stringify!($function), run: $function } ),+];
    };
}
agents!(
    cgroup_egress,
    cgroup_ingress,
    cgroup_sendmsg,
    iter,
    kprobe,
    kprobe_multi,
    netfilter,
    netkit,
    raw_tracepoint,
    sk_lookup,
    sockmap,
    struct_ops,
    tcx_egress,
    tcx_ingress,
    tracepoint,
    tracing,
    xdp,
);

/// An agent, where its hook is, and where it pins its link.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    agent: &'static Agent,
    target: &'a str,
    pub(crate) pin: &'a Path,
}

impl<'a> Place<'a> {
    pub(crate) fn new(agent: &str, target: &'a str, pin: &'a Path) -> Result<Self> {
        let found = AGENTS.iter().find(|found| found.name == agent);
        Ok(Self {
            agent: found.with_context(|| format!("there is no agent {agent}"))?,
            target,
            pin,
        })
    }

    /// Does what an agent does when it is started, in this process: what was done.
    pub(crate) fn run(&self, version: BorrowedFd<'_>) -> Result<Outcome> {
        settled((self.agent.run)(self.target, self.pin, version)?.outcome)
    }

    /// What a process is told that is to do the same.
    fn arguments(&self, version: Attached) -> Result<[String; 4]> {
        Ok([
            self.agent.name.to_owned(),
            self.target.to_owned(),
            self.pin.to_str().context("not UTF-8")?.to_owned(),
            version.to_string(),
        ])
    }

    /// Does what an agent does when it is started, in a process that ends with it: what was done,
    /// as its debug output.
    pub(crate) fn run_in_a_process(&self, version: Attached) -> Result<String> {
        let arguments = self.arguments(version)?;
        let mut player = role!(restarted).start(&arguments.each_ref().map(String::as_str))?;
        let outcome = player.hear()?;
        player.finish()?;
        Ok(outcome)
    }

    /// A process that puts this version there so many times, also while others put another there.
    /// It waits for a line.
    pub(crate) fn contender(&self, version: Attached, swaps: u32) -> Result<Player> {
        let [agent, target, pin, version] = self.arguments(version)?;
        role!(contender).start(&[&agent, &target, &pin, &version, &swaps.to_string()])
    }
}

/// What was done, once the kernel has got to its end. An old link that was there a little longer
/// than the call has waited goes in the kernel's own time; one that is held stays, and that is a
/// failure.
fn settled(outcome: Outcome) -> Result<Outcome> {
    let Outcome::Replaced {
        why,
        previous,
        gap,
        old_link: OldLink::Held(id),
    } = outcome
    else {
        return Ok(outcome);
    };
    eventually_holds("the old link has gone", || Ok(!links::exists(id.get())?))?;
    Ok(Outcome::Replaced {
        why,
        previous,
        gap,
        old_link: OldLink::Gone,
    })
}

/// The place and the version that a process was told.
fn told(arguments: &[String]) -> Result<(Place<'_>, Attached, OwnedFd)> {
    let [agent, target, pin, version, ..] = arguments else {
        bail!("told only {arguments:?}");
    };
    let (what, id) = version.split_once(' ').context("no version")?;
    let id: u32 = id.parse()?;
    let (version, object) = if what == "map" {
        let id = MapId::new(id).context("no id")?;
        (Attached::Map(id), open_map(id)?)
    } else {
        let id = ProgramId::new(id).context("no id")?;
        (Attached::Program(id), open_program(id)?)
    };
    Ok((Place::new(agent, target, Path::new(pin))?, version, object))
}

fn restarted(arguments: &[String]) -> Result<()> {
    let (place, _, object) = told(arguments)?;
    let outcome = place.run(object.as_fd())?;
    role::say(&format!("{outcome:?}"))
}

/// Goes on until it was this agent so many times that put its version in the place of another.
fn contender(arguments: &[String]) -> Result<()> {
    let (place, version, object) = told(arguments)?;
    let swaps: u32 = arguments.last().context("how many swaps")?.parse()?;
    role::listen()?;
    let (mut swapped, mut runs) = (0, 0_u32);
    let mut last = Instant::now();
    while swapped < swaps {
        runs += 1;
        let outcome = place.run(object.as_fd())?;
        let previous = match outcome {
            Outcome::AlreadyRunning => version,
            Outcome::Updated { previous }
            | Outcome::Replaced {
                previous: Some(previous),
                gap: false,
                ..
            } => previous,
            _ => bail!("{outcome:?}"),
        };
        if previous == version {
            ensure!(
                last.elapsed() < PATIENCE,
                "the other agent is not there any more"
            );
            std::thread::yield_now();
        } else {
            swapped += 1;
            last = Instant::now();
        }
    }
    role::say(&runs.to_string())
}

fn ensured<A: AttachProgram>(to: A, pin: &Path, program: BorrowedFd<'_>) -> Result<Done>
where
    A::Link: Into<Link>,
{
    let to = to.ensure_pinned(pin).wait_for_old(Duration::from_secs(2));
    Ok(to.run(program)?.into())
}

fn cgroup_egress(path: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(CgroupAttach::to(path, CgroupHook::InetEgress), pin, program)
}

fn cgroup_ingress(path: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(
        CgroupAttach::to(path, CgroupHook::InetIngress),
        pin,
        program,
    )
}

fn cgroup_sendmsg(path: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(
        CgroupAttach::to(path, CgroupHook::Udp4Sendmsg),
        pin,
        program,
    )
}

fn iter(map: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(IterAttach::over_map(&map_of(map)?), pin, program)
}

fn kprobe(_: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(
        PerfEventAttach::to(KprobeEvent::at(PROBED, 0)),
        pin,
        program,
    )
}

fn kprobe_multi(_: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(
        KprobeMultiAttach::to_symbols(When::Entry, &[PROBED]),
        pin,
        program,
    )
}

fn netfilter(_: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, -10_000);
    ensured(to, pin, program)
}

fn netkit(device: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(NetkitAttach::to(device, NetkitHook::Peer), pin, program)
}

fn raw_tracepoint(name: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    let name = CString::new(name)?;
    ensured(RawTracepointAttach::to(&name), pin, program)
}

fn sk_lookup(netns: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(NetnsAttach::to(netns, NetnsHook::SkLookup), pin, program)
}

fn sockmap(map: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    let map = map_of(map)?;
    ensured(
        SockmapAttach::to(&map, SockmapHook::SkbVerdict),
        pin,
        program,
    )
}

fn struct_ops(_: &str, pin: &Path, map: BorrowedFd<'_>) -> Result<Done> {
    Ok(StructOpsAttach::of(map).ensure_pinned(pin).run()?.into())
}

fn tcx_egress(device: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(TcxAttach::to(device, TcxHook::Egress), pin, program)
}

fn tcx_ingress(device: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(TcxAttach::to(device, TcxHook::Ingress), pin, program)
}

fn tracepoint(tracefs: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    let event = TracepointEvent::new("raw_syscalls", "sys_enter").tracefs(tracefs);
    ensured(PerfEventAttach::to(event), pin, program)
}

fn tracing(_: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(TracingAttach::to(TracingHook::Fentry), pin, program)
}

fn xdp(device: &str, pin: &Path, program: BorrowedFd<'_>) -> Result<Done> {
    ensured(XdpAttach::to(device), pin, program)
}

fn map_of(id: &str) -> Result<OwnedFd> {
    Ok(open_map(MapId::new(id.parse()?).context("no id")?)?)
}
