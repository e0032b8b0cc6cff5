//! Sets with hooks that have no program for a moment: how short that is, and what is put back if
//! the new program is refused in that moment.

pub(crate) mod killed;

use std::ffi::{CString, OsStr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Cgroup, Device, DeviceKind, Hook, Program, Sandbox, device};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Error, Link, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, ProgramId, XdpAttach, XdpMode,
    ensure::{Ours, Outcome},
    set::{LinkState, SetFailure, Stale},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::ensure::id_of;
use crate::ensure::others::without_sys_admin;
use crate::fixture::chain::check;
use crate::fixture::there::with_a_process_there;
use crate::harness::role::Player;
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(gaps_come_last_and_are_short).needs(VETH),
    test!(put_back_elsewhere_by_the_same_thread)
        .needs(VETH)
        .also_needs(Need::NETFILTER),
    test!(the_old_programs_are_not_put_back).needs(VETH),
    test!(the_old_programs_are_put_back).needs(VETH),
    test!(the_program_of_a_link_without_a_pin_is_put_back).needs(VETH),
];

pub(crate) const ROLES: &[Role] = &[role!(agent), role!(agent_of_two_namespaces)];

const VETH: &[Need] = &[Need::Device(DeviceKind::Veth)];

/// The names of the links. The first two are also the names of their devices. An xdp link cannot
/// change its mode in place, so those two are replaced with a gap.
const NAMES: [&str; 3] = ["one", "other", "egress"];

/// What becomes of an agent's set.
const APPLIED: &str = "applied";
const REFUSED: &str = "refused";

/// One program for each link.
struct Version([Program; 3]);

impl Version {
    fn load() -> Result<Self> {
        let xdp = || Program::passing(Hook::XDP);
        Ok(Self([
            xdp()?,
            xdp()?,
            Program::passing(Hook::CGROUP_EGRESS)?,
        ]))
    }

    fn set(
        &self,
        directory: &Path,
        cgroup: &Path,
        names: [&str; 3],
        mode: XdpMode,
    ) -> Result<LinkSet<'_>> {
        let Self([one, other, egress]) = self;
        let mut set = LinkSet::in_dir(directory).create_dir(0o700);
        for ((name, device), program) in names.into_iter().zip(NAMES).zip([one, other]) {
            set.add(name, XdpAttach::to(device).mode(mode), program)?;
        }
        let to = CgroupAttach::to(cgroup.to_owned(), CgroupHook::InetEgress);
        set.add(names[2], to, egress)?;
        Ok(set)
    }

    fn ids(&self) -> Result<[ProgramId; 3]> {
        let Self([one, other, egress]) = self;
        Ok([id_of(one)?, id_of(other)?, id_of(egress)?])
    }
}

/// Two devices and a cgroup.
struct Place {
    directory: PathBuf,
    devices: [Device; 2],
    cgroup: Cgroup,
}

impl Place {
    fn of(sandbox: &Sandbox) -> Result<Self> {
        let device = |name| Device::create(DeviceKind::Veth, name);
        Ok(Self {
            directory: sandbox.bpffs().join("agent"),
            devices: [device(NAMES[0])?, device(NAMES[1])?],
            cgroup: sandbox.new_cgroup("agent")?,
        })
    }

    fn set<'v>(&self, version: &'v Version, mode: XdpMode) -> Result<LinkSet<'v>> {
        version.set(&self.directory, self.cgroup.path(), NAMES, mode)
    }

    /// Makes the second device refuse every program: its peer's MTU is too large for the driver.
    fn make_the_second_refuse() -> Result<()> {
        const LARGEST: u32 = 65_535;
        let peer = device::index_of(&device::peer_name(NAMES[1]))?;
        device::set_mtu(peer, LARGEST)
    }

    /// Applies a set with another mode, and returns the failure: the second device refused its
    /// program after the first device had got its own.
    fn refusal(set: &LinkSet<'_>) -> Result<SetFailure> {
        match set.apply() {
            Err(Error::SetNotApplied(failure))
                if failure.name == NAMES[1] && failure.source.errno() == Some(libc::ERANGE) =>
            {
                Ok(*failure)
            }
            answer => Err(anyhow!("{answer:?}")),
        }
    }

    /// What runs on each hook, whatever the mode.
    fn running(&self) -> Result<[Option<ProgramId>; 3]> {
        let on_device = |device: &Device| -> Result<_> {
            let found = bpf_link::xdp_programs(device.index())?;
            Ok(found.generic.or(found.driver))
        };
        let [one, other] = &self.devices;
        let egress = CgroupHook::InetEgress.query(self.cgroup.path())?;
        let egress = egress.programs.first().map(|program| program.id);
        Ok([on_device(one)?, on_device(other)?, egress])
    }

    fn inode(&self, name: impl AsRef<OsStr>) -> Result<u64> {
        Ok(std::fs::symlink_metadata(self.directory.join(name.as_ref()))?.ino())
    }

    fn delete(self) -> Result<()> {
        self.devices.into_iter().try_for_each(Device::delete)
    }
}

fn agent(arguments: &[String]) -> Result<()> {
    let [directory, cgroup, names, what] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let names: Vec<&str> = names.split(',').collect();
    let names = names.try_into().map_err(|_| anyhow!("not three names"))?;
    let version = Version::load()?;
    role::say("ready")?;
    role::listen()?;
    let set = version.set(directory.as_ref(), cgroup.as_ref(), names, XdpMode::Drv)?;
    let applied = set.apply();
    ensure!(applied.is_err() == (what == REFUSED), "{applied:?}");
    Ok(())
}

/// Starts an agent, which is then ready to apply its set.
fn start(place: &Place, names: [&str; 3], what: &str) -> Result<Player> {
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
    let (directory, cgroup) = (text(&place.directory)?, text(place.cgroup.path())?);
    let mut player = role!(agent).start(&[&directory, &cgroup, &names.join(","), what])?;
    ensure!(player.hear()? == "ready");
    Ok(player)
}

/// Has a link in another network namespace and one on the second device, which then refuses the
/// program of the next version.
fn agent_of_two_namespaces(arguments: &[String]) -> Result<()> {
    let [directory, netns] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let hooks = || -> Result<_> {
        let [elsewhere, here] = [Hook::NETFILTER, Hook::XDP].map(Program::passing);
        Ok((elsewhere?, here?))
    };
    let apply = |(elsewhere, here): &(Program, Program), mode| -> Result<_> {
        let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7);
        let mut set = LinkSet::in_dir(directory).create_dir(0o700);
        set.add("elsewhere", to.in_netns(netns), elsewhere)?;
        set.add(NAMES[1], XdpAttach::to(NAMES[1]).mode(mode), here)?;
        Ok(set.apply())
    };
    let (old, new) = (hooks()?, hooks()?);
    apply(&old, XdpMode::Skb)??;
    Place::make_the_second_refuse()?;
    role::say("ready")?;
    role::listen()?;
    let refused = apply(&new, XdpMode::Drv)?;
    let Err(Error::SetNotApplied(failure)) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    let put_back = |(_, state): &(String, LinkState)| matches!(state, LinkState::PutBack { .. });
    ensure!(failure.links.iter().all(put_back), "{failure}");
    std::process::exit(0)
}

/// Nothing that can be refused comes between taking a program off and putting it back.
fn put_back_elsewhere_by_the_same_thread(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, NAMES[1])?;
    let directory = sandbox.bpffs().join("agent");
    with_a_process_there(|_process, netns| {
        let directory = directory.to_str().context("not UTF-8")?;
        let mut player = role!(agent_of_two_namespaces).start(&[directory, netns])?;
        ensure!(player.hear()? == "ready");
        let started = player.count_threads()?;
        ensure!(started == 1, "{started} threads were started");
        Ok(())
    })?;
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::all())
        .apply()?;
    device.delete()?;
    ensure_nothing_left(sandbox)
}

/// The links with a gap are added first but replaced last, once everything else is in place and
/// pinned. The gaps do not overlap, and each lasts only until the next call.
fn gaps_come_last_and_are_short(sandbox: &Sandbox) -> Result<()> {
    let place = Place::of(sandbox)?;
    let old = Version::load()?;
    place.set(&old, XdpMode::Skb)?.apply()?;
    let player = start(&place, NAMES, APPLIED)?;
    let before = place.inode(NAMES[2])?;
    let [.., old_egress] = old.ids()?;
    let mut calls_in_gap = [0; 2];
    let mut traced = player.trace("start")?;
    while traced.next_call()?.is_some() {
        let [one, other, egress] = place.running()?;
        for (running, calls) in [one, other].into_iter().zip(&mut calls_in_gap) {
            *calls += usize::from(running.is_none());
        }
        if one.is_none() || other.is_none() {
            ensure!(one.or(other).is_some(), "neither device has a program");
            ensure!(egress != Some(old_egress), "the cgroup has the old program");
            ensure!(place.inode(NAMES[2])? != before, "the old pin is there");
        }
    }
    traced.finish()?;
    // Each device is seen empty once, before the call that attaches.
    ensure!(calls_in_gap == [1; 2], "{calls_in_gap:?} calls");
    place
        .set(&Version::load()?, XdpMode::Drv)?
        .apply()?
        .stop()?;
    place.delete()?;
    ensure_nothing_left(sandbox)
}

/// The second device refuses its new program after the old one was detached. Both devices get
/// their old programs back, on new links.
fn the_old_programs_are_put_back(sandbox: &Sandbox) -> Result<()> {
    let place = Place::of(sandbox)?;
    let [old, new] = [Version::load()?, Version::load()?];
    place.set(&old, XdpMode::Skb)?.apply()?;
    let before = our_links()?;
    Place::make_the_second_refuse()?;
    let failure = Place::refusal(&place.set(&new, XdpMode::Drv)?)?;
    ensure!(place.running()? == old.ids()?.map(Some), "{failure:?}");
    let mut words = Vec::new();
    for ((name, state), expected) in failure.links.iter().zip(NAMES) {
        ensure!(name == expected, "{failure:?}");
        let pinned = Link::from_pinned(place.directory.join(name))?.id()?;
        match state {
            LinkState::PutBack { link } if name != NAMES[2] => {
                ensure!(*link == pinned && !before.contains(&link.get()));
                words.push(format!(
                    "the old program of {name} was put back, by link {link}"
                ));
            }
            LinkState::AsBefore if name == NAMES[2] => {
                ensure!(before.contains(&pinned.get()), "{failure:?}");
            }
            _ => anyhow::bail!("{failure:?}"),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    check(&Error::SetNotApplied(Box::new(failure)), &words)?;
    // And all is as it was.
    let again = place.set(&old, XdpMode::Skb)?.apply()?;
    let mut links = again.report().links.iter();
    ensure!(
        links.all(|link| link.outcome == Outcome::AlreadyRunning),
        "{again:?}"
    );
    again.stop()?;
    place.delete()?;
    ensure_nothing_left(sandbox)
}

/// The link that the program is put back by is the only one that has it, so it stays pinned.
fn the_program_of_a_link_without_a_pin_is_put_back(sandbox: &Sandbox) -> Result<()> {
    let place = Place::of(sandbox)?;
    let [old, new] = [Version::load()?, Version::load()?];
    let orphan = XdpAttach::to(NAMES[0]).mode(XdpMode::Skb);
    let orphan = orphan.attach(&old.0[0])?;
    let mut second = LinkSet::in_dir(&place.directory).create_dir(0o700);
    let to = XdpAttach::to(NAMES[1]).mode(XdpMode::Skb);
    second.add(NAMES[1], to, &old.0[1])?;
    second.apply()?;
    Place::make_the_second_refuse()?;
    let name = CString::new(old.0[0].name()?)?;
    let set = place.set(&new, XdpMode::Drv)?;
    let mut failure = Place::refusal(&set.take_over(Ours::by_name(&name)))?;
    let [first, other, _] = old.ids()?;
    let before = [Some(first), Some(other), None];
    ensure!(place.running()? == before, "{failure:?}");
    let Some((_, LinkState::PutBack { link })) = failure.links.first() else {
        anyhow::bail!("{failure:?}");
    };
    let pinned = Link::from_pinned(place.directory.join(NAMES[0]))?;
    ensure!(
        pinned.id()? == *link && orphan.id()? != *link,
        "{failure:?}"
    );
    failure.links.clear();
    drop((pinned, orphan));
    ensure!(place.running()? == before, "{failure:?}");
    for name in [NAMES[0], NAMES[1]] {
        Link::from_pinned(place.directory.join(name))?.detach_and_unpin()?;
    }
    place.delete()?;
    ensure_nothing_left(sandbox)
}

/// The caller may not open the old programs, and has allowed a set that cannot be undone.
fn the_old_programs_are_not_put_back(sandbox: &Sandbox) -> Result<()> {
    let place = Place::of(sandbox)?;
    let [old, new] = [Version::load()?, Version::load()?];
    place.set(&old, XdpMode::Skb)?.apply()?;
    Place::make_the_second_refuse()?;
    let set = place.set(&new, XdpMode::Drv)?.without_rollback();
    let failure = without_sys_admin(|| Place::refusal(&set))?;
    for (_, state) in &failure.links {
        ensure!(
            matches!(state, LinkState::NotPutBack { source: None }),
            "{failure:?}"
        );
    }
    let [.., egress] = new.ids()?;
    ensure!(place.running()? == [None, None, Some(egress)]);
    let words = NAMES.map(|name| format!("the old state of {name} could not be restored"));
    check(
        &Error::SetNotApplied(Box::new(failure)),
        &words.each_ref().map(String::as_str),
    )?;
    // The next run succeeds all the same.
    let again = place.set(&old, XdpMode::Skb)?.apply()?;
    ensure!(place.running()? == old.ids()?.map(Some), "{again:?}");
    again.stop()?;
    place.delete()?;
    ensure_nothing_left(sandbox)
}
