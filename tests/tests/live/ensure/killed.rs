//! The call that ends with a pinned link, killed before each of its system calls: the next one
//! comes to the same end.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox, eventually_holds, pins};
use bpf_link_typed::{
    Attach as _, CgroupAttach, CgroupHook, Link, NetfilterAttach, NetfilterFamily, NetfilterHook,
    RawTracepointAttach, XdpAttach, ensure::Ours,
};

use crate::ensure::end::{Done, ensure_one_link_and_pin, is_pinned, our_links, temporary};
use crate::fixture::traffic::send_packet;
use crate::harness::role::Player;
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup_update),
    test!(cgroup_gone),
    test!(cgroup_taken_over),
    test!(cgroup_anew),
    test!(letting_go),
    test!(letting_go_of_what_cannot_be_detached),
    test!(raw_tracepoint_replaced),
    test!(netfilter_replaced).needs(Need::NETFILTER),
    test!(xdp_update),
];

pub(crate) const ROLES: &[Role] = &[role!(agent), role!(leaver)];

/// The programs of these tests, which all count in one counter, so that it shows by how many an
/// event is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Cgroup,
    RawTracepoint,
    Netfilter,
    Xdp,
}

impl Sort {
    const ALL: [Self; 4] = [
        Self::Cgroup,
        Self::RawTracepoint,
        Self::Netfilter,
        Self::Xdp,
    ];

    fn name(self) -> String {
        format!("{self:?}")
    }

    fn load(self, counter: &CounterMap) -> Result<Program> {
        let hook = match self {
            Self::Cgroup => Hook::CGROUP_EGRESS,
            Self::RawTracepoint => Hook::RAW_TRACEPOINT,
            Self::Netfilter => Hook::NETFILTER,
            Self::Xdp => Hook::XDP,
        };
        Loader::new(hook).counting(counter).passing()
    }

    /// What an agent does when it starts.
    fn start(self, cgroup: &Path, pin: &Path, program: &Program) -> Result<Done> {
        let ours = Ours::by_name(std::ffi::CString::new(bpf_link_tests::names::object_name(
            "prog",
        ))?);
        Ok(match self {
            Self::Cgroup => CgroupAttach::to(cgroup, CgroupHook::InetEgress)
                .ensure_pinned(pin)
                .create_parents(0o700)
                .take_over(ours)
                .run(program)?
                .into(),
            Self::RawTracepoint => RawTracepointAttach::to(c"sys_enter")
                .ensure_pinned(pin)
                .run(program)?
                .into(),
            Self::Netfilter => {
                NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 77)
                    .ensure_pinned(pin)
                    .run(program)?
                    .into()
            }
            Self::Xdp => XdpAttach::to("lo").ensure_pinned(pin).run(program)?.into(),
        })
    }
}

/// An agent of a new version: loads its program, and when it is told, puts it in the place of the
/// old one.
fn agent(arguments: &[String]) -> Result<()> {
    let [sort, cgroup, pin, counter] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let sort = Sort::ALL.into_iter().find(|known| known.name() == *sort);
    let sort = sort.context("an unknown sort")?;
    let program = sort.load(&CounterMap::from_id(counter.parse()?)?)?;
    role::say("ready")?;
    role::listen()?;
    sort.start(cgroup.as_ref(), pin.as_ref(), &program)?;
    Ok(())
}

/// What an agent finds, and what has to be so wherever it is killed.
struct Scenario<'a> {
    sandbox: &'a Sandbox,
    sort: Sort,
    cgroup: PathBuf,
    pin: PathBuf,
    counter: CounterMap,
    /// Makes what is there before.
    before: &'a dyn Fn(&Scenario<'_>, &Program) -> Result<()>,
    /// By how many programs an event is seen after the kill: from, to.
    seen_by: (u64, u64),
    /// Makes an event.
    event: &'a dyn Fn() -> Result<()>,
    /// A link that another process has.
    held: RefCell<Option<OwnedFd>>,
}

impl Scenario<'_> {
    fn player(&self) -> Result<Player> {
        let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
        let mut player = role!(agent).start(&[
            &self.sort.name(),
            &text(&self.cgroup)?,
            &text(&self.pin)?,
            &self.counter.id()?.to_string(),
        ])?;
        ensure!(player.hear()? == "ready");
        Ok(player)
    }

    fn seen(&self) -> Result<u64> {
        let before = self.counter.read()?;
        (self.event)()?;
        Ok(self.counter.read()? - before)
    }

    /// Kills an agent before the first of its calls, the next one before the second, and so on
    /// until one gets to its end.
    fn kill_everywhere(&self) -> Result<()> {
        let mut calls = Vec::new();
        for number in 1.. {
            let old = self.sort.load(&self.counter)?;
            (self.before)(self, &old).context("before")?;
            let ahead = self.player()?.trace("start")?.kill_before(number)?;
            calls.extend(ahead);
            self.check_and_finish()
                .with_context(|| format!("killed before call {number}, {ahead:?} of {calls:?}"))?;
            drop(old);
            self.clear()?;
            if ahead.is_none() {
                break;
            }
        }
        // It reads a line, looks, attaches, pins, and ends.
        ensure!(calls.len() > 20, "{calls:?}");
        Ok(())
    }

    /// What is so right after the kill, and after another run.
    fn check_and_finish(&self) -> Result<()> {
        let (from, to) = self.seen_by;
        let seen = self.seen()?;
        ensure!(from <= seen && seen <= to, "seen by {seen}");
        let newest = self.sort.load(&self.counter)?;
        let done = self.sort.start(&self.cgroup, &self.pin, &newest)?;
        let info = done.link.info()?;
        ensure!(
            info.program_id().map(u32::from) == Some(newest.id()?),
            "{info:?}"
        );
        ensure!(done.link.pin_path() == Some(self.pin.as_path()));
        drop(done);
        ensure_one_link_and_pin(self.sandbox, &self.pin)?;
        ensure!(!is_pinned(&temporary(&self.pin)?));
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        self.held.take();
        Link::from_pinned(&self.pin)?.detach_and_unpin()?;
        eventually_holds("nothing is left", || Ok(our_links()?.is_empty()))?;
        ensure!(self.sandbox.pinned()?.is_empty());
        Ok(())
    }
}

/// The version before runs, and is pinned.
fn running(scenario: &Scenario<'_>, old: &Program) -> Result<()> {
    scenario.sort.start(&scenario.cgroup, &scenario.pin, old)?;
    Ok(())
}

fn in_a_cgroup(
    sandbox: &Sandbox,
    before: &dyn Fn(&Scenario<'_>, &Program) -> Result<()>,
    seen_by: (u64, u64),
) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    Scenario {
        sandbox,
        sort: Sort::Cgroup,
        cgroup: cgroup.path().to_owned(),
        pin: sandbox.bpffs().join("agent/egress"),
        counter: CounterMap::new()?,
        before,
        seen_by,
        event: &|| cgroup.inside(send_packet),
        held: RefCell::default(),
    }
    .kill_everywhere()
}

/// Updated in place: every event is seen by exactly one version.
fn cgroup_update(sandbox: &Sandbox) -> Result<()> {
    in_a_cgroup(sandbox, &running, (1, 1))
}

/// What is pinned has no hook any more, so that a new link is made.
fn cgroup_gone(sandbox: &Sandbox) -> Result<()> {
    let detached = |scenario: &Scenario<'_>, old: &Program| {
        running(scenario, old)?;
        Ok(Link::from_pinned(&scenario.pin)?.detach()?)
    };
    in_a_cgroup(sandbox, &detached, (0, 1))
}

/// The version before has lost its pin, and is held by another.
fn cgroup_taken_over(sandbox: &Sandbox) -> Result<()> {
    let unpinned = |scenario: &Scenario<'_>, old: &Program| {
        running(scenario, old)?;
        scenario.held.replace(Some(pins::open(&scenario.pin)?));
        Ok(std::fs::remove_file(&scenario.pin)?)
    };
    in_a_cgroup(sandbox, &unpinned, (1, 1))
}

/// Nothing is there yet, not even the directory.
fn cgroup_anew(sandbox: &Sandbox) -> Result<()> {
    in_a_cgroup(
        sandbox,
        &|scenario, _old| {
            let parent = scenario.pin.parent().context("it has a parent")?;
            if parent.exists() {
                std::fs::remove_dir(parent)?;
            }
            Ok(())
        },
        (0, 1),
    )
}

/// Not updated: at any time an event is seen by one version at least.
fn raw_tracepoint_replaced(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let seen = CounterMap::from_id(counter.id()?)?;
    Scenario {
        sandbox,
        sort: Sort::RawTracepoint,
        cgroup: PathBuf::from("/"),
        pin: sandbox.bpffs().join("entry"),
        counter,
        before: &running,
        // Of the whole machine.
        seen_by: (1, u64::MAX),
        // A program misses a call if another process was preempted in the middle of a run.
        event: &|| {
            let before = seen.read()?;
            eventually_holds("a call is seen", || Ok(seen.read()? > before))
        },
        held: RefCell::default(),
    }
    .kill_everywhere()
}

/// The hook takes one program, and links are not updated: there is a gap, and never two.
fn netfilter_replaced(sandbox: &Sandbox) -> Result<()> {
    Scenario {
        sandbox,
        sort: Sort::Netfilter,
        cgroup: PathBuf::from("/"),
        pin: sandbox.bpffs().join("netfilter"),
        counter: CounterMap::new()?,
        before: &running,
        seen_by: (0, 1),
        event: &send_packet,
        held: RefCell::default(),
    }
    .kill_everywhere()
}

/// The hook takes one program, and links are updated.
fn xdp_update(sandbox: &Sandbox) -> Result<()> {
    Scenario {
        sandbox,
        sort: Sort::Xdp,
        cgroup: PathBuf::from("/"),
        pin: sandbox.bpffs().join("lo"),
        counter: CounterMap::new()?,
        before: &running,
        seen_by: (1, 1),
        event: &send_packet,
        held: RefCell::default(),
    }
    .kill_everywhere()
}

/// Lets go of a link when it is told.
fn leaver(arguments: &[String]) -> Result<()> {
    let pin = arguments.first().context("no path")?;
    role::say("ready")?;
    role::listen()?;
    Ok(Link::from_pinned(pin)?.detach_and_unpin()?)
}

/// Wherever it is killed, either all is as it was or nothing is left.
fn let_go_everywhere(sandbox: &Sandbox, sort: Sort, cgroup: &Path) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let text = pin.to_str().context("not UTF-8")?;
    let (mut kept, mut left) = (0, 0);
    for number in 1.. {
        let program = sort.load(&CounterMap::new()?)?;
        let id = sort.start(cgroup, &pin, &program)?.link.id()?;
        let mut player = role!(leaver).start(&[text])?;
        ensure!(player.hear()? == "ready");
        let ahead = player.trace("leave")?.kill_before(number)?;
        if is_pinned(&pin) {
            ensure!(ensure_one_link_and_pin(sandbox, &pin)? == id);
            let link = Link::from_pinned(&pin)?;
            ensure!(link.info()?.is_defunct() == Some(false));
            link.detach_and_unpin()?;
            kept += 1;
        } else {
            left += 1;
        }
        eventually_holds("nothing is left", || Ok(our_links()?.is_empty()))?;
        ensure!(sandbox.pinned()?.is_empty());
        if ahead.is_none() {
            break;
        }
    }
    ensure!(kept > 3 && left > 3, "{kept} kept, {left} left");
    Ok(())
}

fn letting_go(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    let_go_everywhere(sandbox, Sort::Cgroup, cgroup.path())
}

fn letting_go_of_what_cannot_be_detached(sandbox: &Sandbox) -> Result<()> {
    let_go_everywhere(sandbox, Sort::RawTracepoint, Path::new("/"))
}
