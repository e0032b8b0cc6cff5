//! An inventory of all links, compared with walks that read all infos.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink, SnapshotMethod, Snapshotter};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox, in_form, iterator};
use bpf_link_typed::inspect::{Changes, Inventory, InventoryEntry};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, InfoBuf, LinkId, LinkInfo, NetfilterAttach, NetfilterFamily,
    NetfilterHook, PerfEventDetails, UprobeMultiAttach, XdpAttach, XdpMode, attach::When,
};
use rustix::thread::CapabilitySet;

use crate::fixture::random::Random;
use crate::fixture::{without_descriptors, xdp};
use crate::harness::{Need, Test, test};
use crate::snapshot::ITERATOR;
use crate::snapshot::methods::with_only;

pub(crate) const TESTS: &[Test] = &[
    test!(by_the_best_method).needs(ITERATOR).alone().minutes(8),
    test!(by_probe_reads).needs(ITERATOR).alone().minutes(8),
    test!(by_walks).alone().minutes(8),
    test!(a_device_that_goes)
        .needs(&[Need::Device(DeviceKind::Veth)])
        .alone(),
    test!(a_netfilter_link_that_is_detached)
        .needs(ITERATOR)
        .also_needs(Need::NETFILTER)
        .alone(),
    test!(without_the_privilege_for_infos)
        .needs(ITERATOR)
        .alone(),
    test!(a_look_that_fails).alone(),
    test!(infos_are_read_again)
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 8)])
        .alone(),
];

/// How many rounds of changes there are, in the short form and in the long one.
const ROUNDS: [usize; 2] = [100, 1_000];
/// How many links of ours there are, at most.
const MOST: usize = 40;

type Walked = BTreeMap<LinkId, LinkInfo>;

/// Those of our links that a walk finds, without counters.
fn walk(ours: &BTreeSet<LinkId>) -> Result<Walked> {
    let mut buf = InfoBuf::new();
    let mut walked = Walked::new();
    for id in bpf_link::link_ids() {
        let id = id?;
        if ours.contains(&id) {
            let info = buf.read(&RawLink::from_id(id)?)?.into_owned();
            walked.insert(id, without_counts(&info));
        }
    }
    Ok(walked)
}

fn without_counts(info: &LinkInfo) -> LinkInfo {
    let mut info = info.clone();
    match &mut info {
        LinkInfo::KprobeMulti(info) => info.missed = None,
        LinkInfo::PerfEvent(info) => {
            if let PerfEventDetails::Kprobe(probe) | PerfEventDetails::Kretprobe(probe) =
                &mut info.event
            {
                probe.missed = None;
            }
        }
        _ => {}
    }
    info
}

/// Links that come, go and change at random.
struct World {
    program: Program,
    others: [Program; 2],
    xdp: [Program; 2],
    cgroup: File,
    links: Vec<RawLink>,
    has_xdp: Option<LinkId>,
    /// All links that were ever made here. Any others belong to other processes.
    ours: BTreeSet<LinkId>,
}

impl World {
    fn new(cgroup: File) -> Result<Self> {
        Ok(Self {
            program: iterator("bpf_map", *b"element\n")?,
            others: [
                Program::passing(Hook::CGROUP_EGRESS)?,
                Program::passing(Hook::CGROUP_EGRESS)?,
            ],
            xdp: [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?],
            cgroup,
            links: Vec::new(),
            has_xdp: None,
            ours: BTreeSet::new(),
        })
    }

    /// Attaches, detaches, updates or drops something.
    fn change(&mut self, random: &mut Random) -> Result<()> {
        let place = random.below(self.links.len());
        match random.below(6) {
            0 | 1 if self.links.len() < MOST => {
                let link = self.attach(random)?;
                self.ours.insert(link.id()?);
                self.links.push(link);
            }
            2 if self.has_xdp.is_none() => {
                let [program, _] = &self.xdp;
                let link = xdp(program)?;
                self.has_xdp = Some(link.id()?);
                self.ours.insert(link.id()?);
                self.links.push(link);
            }
            3 => {
                if let Some(link) = self.links.get(place) {
                    let programs = if Some(link.id()?) == self.has_xdp {
                        &self.xdp
                    } else {
                        &self.others
                    };
                    // Iterators and detached links refuse it.
                    let [one, other] = programs;
                    let _ = link.update(if random.below(2) == 0 { one } else { other });
                }
            }
            4 => {
                if let Some(link) = self.links.get(place) {
                    let _ = link.detach();
                }
            }
            _ if !self.links.is_empty() => {
                let link = self.links.swap_remove(place);
                if Some(link.id()?) == self.has_xdp {
                    self.has_xdp = None;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn attach(&self, random: &mut Random) -> Result<RawLink> {
        let [egress, _] = &self.others;
        let request = match random.below(2) {
            0 => LinkCreate::new(&self.program, AttachType::TraceIter),
            _ => LinkCreate::new(egress, AttachType::CgroupInetEgress).target_fd(&self.cgroup),
        };
        Ok(RawLink::create(&request)?)
    }
}

/// A snapshotter that uses this method, or the next best if the verifier has no casts.
fn load(best: SnapshotMethod) -> Result<Snapshotter> {
    let snapshotter = Snapshotter::load_at_most(best)?;
    let is_next_best = snapshotter.method() == SnapshotMethod::ProbeRead;
    let is_next_best = best == SnapshotMethod::TypedCast && is_next_best;
    ensure!(
        snapshotter.method() == best || is_next_best,
        "{snapshotter:?}"
    );
    Ok(snapshotter)
}

fn by_the_best_method(sandbox: &Sandbox) -> Result<()> {
    equals_walks(sandbox, SnapshotMethod::TypedCast)
}

fn by_probe_reads(sandbox: &Sandbox) -> Result<()> {
    equals_walks(sandbox, SnapshotMethod::ProbeRead)
}

fn by_walks(sandbox: &Sandbox) -> Result<()> {
    equals_walks(sandbox, SnapshotMethod::Walk)
}

/// After each round the inventory is what a walk with infos finds, and its changes are what differs
/// between two walks.
fn equals_walks(sandbox: &Sandbox, method: SnapshotMethod) -> Result<()> {
    let cgroup = sandbox.new_cgroup("inventory")?;
    let mut world = World::new(File::open(cgroup.path())?)?;
    let mut inventory = Inventory::with(load(method)?);
    let mut before = Walked::new();
    let seed = Random::any_seed()?;
    let mut random = Random::new(seed, 0);
    for round in 0..in_form(ROUNDS[0], ROUNDS[1]) {
        for _ in 0..random.below(8) {
            world.change(&mut random)?;
        }
        let changes = inventory.refresh()?;
        let now = walk(&world.ours)?;
        check(&inventory, &changes, &before, &now, &world.ours)
            .with_context(|| format!("seed {seed}, round {round}"))?;
        before = now;
    }
    Ok(())
}

fn check(
    inventory: &Inventory,
    changes: &Changes,
    before: &Walked,
    now: &Walked,
    ours: &BTreeSet<LinkId>,
) -> Result<()> {
    let held = inventory.iter().filter(|link| ours.contains(&link.id()));
    let held = held.map(|link| {
        let info = link.info().context("no info")?;
        Ok((link.id(), without_counts(info)))
    });
    let held = held.collect::<Result<Walked>>()?;
    ensure!(held == *now, "{held:?} and not {now:?}");
    for (id, info) in now {
        let link = inventory.get(*id).context("not found")?;
        ensure!(link.kind() == Some(info.kind()) && link.program_id() == info.program_id());
    }
    let is_ours = |id: &LinkId| ours.contains(id);
    let expected = now.keys().filter(|id| !before.contains_key(id));
    let came = changes.came.iter().filter(|id| is_ours(id));
    ensure!(came.eq(expected), "{changes:?}");
    let expected = before.keys().filter(|id| !now.contains_key(id));
    let went = changes.went.iter().map(InventoryEntry::id).filter(is_ours);
    ensure!(went.eq(expected.copied()), "{changes:?}");
    let differs =
        |(id, info): &(&LinkId, &LinkInfo)| before.get(id).is_some_and(|was| was != *info);
    let expected = now.iter().filter(differs).map(|(id, _)| *id);
    let ours_that_differ = || changes.changed.iter().filter(|change| is_ours(&change.id));
    ensure!(
        ours_that_differ().map(|change| change.id).eq(expected),
        "{changes:?}"
    );
    for change in ours_that_differ() {
        let was = change.before.info().map(without_counts);
        ensure!(was.as_ref() == before.get(&change.id), "{change:?}");
    }
    Ok(())
}

/// Whether these changes are about this link.
fn is_about(changes: &Changes, id: LinkId) -> bool {
    changes.came.contains(&id)
        || changes.went.iter().any(|link| link.id() == id)
        || changes.changed.iter().any(|change| change.id == id)
}

/// The kernel detaches the link when its device is removed.
fn a_device_that_goes(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "goes")?;
    let link = XdpAttach::to("goes")
        .mode(XdpMode::Skb)
        .attach(&Program::passing(Hook::XDP)?)?;
    let mut inventory = Inventory::load()?;
    ensure!(inventory.refresh()?.came.contains(&link.id()?));
    ensure!(!is_about(&inventory.refresh()?, link.id()?));
    drop(device);
    let changes = inventory.refresh()?;
    let change = changes
        .changed
        .iter()
        .find(|change| Some(change.id) == link.id().ok());
    let change = change.context("it is as before")?;
    ensure!(change.before.is_defunct() == Some(false), "{change:?}");
    let now = inventory.get(change.id).context("it has gone")?;
    ensure!(now.is_defunct() == Some(true), "{now:?}");
    Ok(())
}

/// No info shows this, but the snapshot does.
fn a_netfilter_link_that_is_detached(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7);
    let link = to.attach(&program)?;
    let id = link.id()?;
    let mut inventory = Inventory::load()?;
    inventory.refresh()?;
    let is_defunct = |inventory: &Inventory| inventory.get(id).and_then(InventoryEntry::is_defunct);
    ensure!(is_defunct(&inventory) == Some(false));
    link.detach()?;
    let changes = inventory.refresh()?;
    ensure!(
        changes.changed.iter().any(|change| change.id == id),
        "{changes:?}"
    );
    ensure!(is_defunct(&inventory) == Some(true));
    Ok(())
}

/// A snapshot needs less privilege than infos do. The entry has no info then, and the reason.
fn without_the_privilege_for_infos(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("inventory")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let link = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).attach(&program)?;
    let id = link.id()?;
    with_only(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        let mut inventory = Inventory::load()?;
        let changes = inventory.refresh()?;
        ensure!(changes.came.contains(&id), "{changes:?}");
        let found = inventory.get(id).context("it is missing")?;
        ensure!(found.info().is_none() && found.kind() == Some(bpf_link::LinkKind::Cgroup));
        ensure!(
            found.program_id().map(u32::from) == Some(program.id()?),
            "{found:?}"
        );
        let refused = found.refused().and_then(bpf_link_typed::Error::errno);
        ensure!(refused == Some(libc::EPERM), "{found:?}");
        ensure!(
            inventory.refresh()?.is_empty(),
            "it is asked again, and is no news"
        );
        Ok(())
    })
}

/// With each method, a failed look loses nothing and reports nothing as gone.
fn a_look_that_fails(_sandbox: &Sandbox) -> Result<()> {
    let first = xdp(&Program::passing(Hook::XDP)?)?;
    let id = first.id()?;
    for best in [SnapshotMethod::TypedCast, SnapshotMethod::Walk] {
        let snapshotter = Snapshotter::load_at_most(best)?;
        let method = snapshotter.method();
        let mut inventory = Inventory::with(snapshotter);
        inventory.refresh()?;
        let known = inventory.len();
        let refused = without_descriptors(|| inventory.refresh())?;
        let errno = refused.err().and_then(|error| error.errno());
        ensure!(errno == Some(libc::EMFILE), "{method:?}: {errno:?}");
        ensure!(inventory.len() == known, "{method:?}");
        ensure!(inventory.get(id).is_some_and(|link| link.info().is_some()));
        ensure!(!is_about(&inventory.refresh()?, id), "{method:?}");
    }
    Ok(())
}

/// The path of a file that was moved, which `refresh` does not notice.
fn infos_are_read_again(sandbox: &Sandbox) -> Result<()> {
    let [before, after] = ["before", "after"].map(|name| sandbox.directory().join(name));
    // Instructions that do nothing, so that there is something to probe.
    std::fs::write(&before, [0x90; 64])?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let link = UprobeMultiAttach::to(&before, When::Entry, [0]).attach(&program)?;
    let id = link.id()?;
    let mut inventory = Inventory::load()?;
    inventory.refresh()?;
    std::fs::rename(&before, &after)?;
    let has = |inventory: &Inventory, path: &Path| match inventory.get(id)?.info()? {
        LinkInfo::UprobeMulti(info) => {
            Some(info.path.as_deref()?.to_bytes() == path.as_os_str().as_bytes())
        }
        _ => None,
    };
    ensure!(!is_about(&inventory.refresh()?, id));
    ensure!(has(&inventory, &before) == Some(true));
    inventory.refresh_infos()?;
    ensure!(has(&inventory, &after) == Some(true));
    let refused = without_descriptors(|| inventory.refresh_infos())?;
    ensure!(refused.err().and_then(|error| error.errno()) == Some(libc::EMFILE));
    ensure!(has(&inventory, &after) == Some(true));
    Ok(())
}
