//! What a snapshot tells of links of each kind, held against raw infos.

use std::cell::Cell;
use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    IterTarget as Target, LinkKind, RawLink, SnapshotEntry, SnapshotMethod, Snapshotter,
    netns_inode,
};
use bpf_link_sys::{
    BPF_PERF_EVENT_KPROBE, BPF_PERF_EVENT_KRETPROBE, BPF_PERF_EVENT_TRACEPOINT,
    BPF_PERF_EVENT_UPROBE, BPF_PERF_EVENT_URETPROBE,
};
use bpf_link_tests::{Hook, KernelBtf, Program, Sandbox, eventually_holds, links::LinkInfo};

use super::{ITERATOR, snapshot};
use crate::fixture::attaching::COOKIE;
use crate::fixture::{duplicate, xdp};
use crate::harness::{Need, Test, test};
use crate::kinds::KINDS;
use crate::suites::golden;

pub(crate) const TESTS: &[Test] = &[
    // The kernel calls the function that casts only from compiled programs.
    test!(as_raw_infos_say_by_casts)
        .needs(ITERATOR)
        .also_needs(&[Need::Jit])
        .minutes(6),
    test!(as_raw_infos_say_by_copies).needs(ITERATOR).minutes(6),
    test!(references).needs(ITERATOR),
];

/// A field of the links of a kind.
struct Field {
    kind: LinkKind,
    /// Where `struct bpf_link_info` has it, and how many bytes of it.
    info: &'static str,
    bytes: u32,
    /// What the snapshot tells.
    told: fn(&SnapshotEntry) -> Option<u64>,
    /// Where the kernel has it, if not every kernel does: any of these members of structures.
    kernel: &'static [(&'static str, &'static str)],
}

const fn field(
    kind: LinkKind,
    info: &'static str,
    bytes: u32,
    told: fn(&SnapshotEntry) -> Option<u64>,
) -> Field {
    Field {
        kind,
        info,
        bytes,
        told,
        kernel: &[],
    }
}

impl Field {
    const fn since(self, kernel: &'static [(&'static str, &'static str)]) -> Self {
        Self { kernel, ..self }
    }

    fn check(&self, entry: &SnapshotEntry, info: &LinkInfo) -> Result<()> {
        let told = (self.told)(entry);
        let mut is_there = self.kernel.is_empty();
        for (structure, member) in self.kernel {
            is_there |= KernelBtf::get()?.member(structure, member)?.is_some();
        }
        ensure!(told.is_some() == is_there, "{}: {entry:?}", self.info);
        // This kernel's info may not have it yet.
        let expected = in_info(info, self.info, self.bytes)?;
        if let (Some(told), Some(expected)) = (told, expected) {
            ensure!(
                told == expected,
                "{} is {expected:#x}: {entry:?}",
                self.info
            );
        }
        Ok(())
    }
}

/// The number at this place in the info, if this kernel has such a place.
fn in_info(info: &LinkInfo, member: &str, bytes: u32) -> Result<Option<u64>> {
    let found = KernelBtf::get()?.member("bpf_link_info", member)?;
    Ok(found.map(|found| match bytes {
        8 => info.u64_at(found.offset),
        _ => info.u32_at(found.offset).into(),
    }))
}

fn attach_type(entry: &SnapshotEntry) -> Option<u64> {
    Some(entry.attach_type()?.as_raw().into())
}

fn ifindex(entry: &SnapshotEntry) -> Option<u64> {
    entry.ifindex().map(u64::from)
}

fn map_id(entry: &SnapshotEntry) -> Option<u64> {
    entry.map_id().map(u64::from)
}

fn count(entry: &SnapshotEntry) -> Option<u64> {
    entry.count().map(u64::from)
}

fn flags(entry: &SnapshotEntry) -> Option<u64> {
    entry.flags().map(u64::from)
}

/// Those that infos tell, but for those of iterators and perf events.
#[rustfmt::skip]
const FIELDS: &[Field] = &[
    field(LinkKind::RawTracepoint, "raw_tracepoint.cookie", 8, SnapshotEntry::cookie)
        .since(&[("bpf_raw_tp_link", "cookie")]),
    field(LinkKind::Tracing, "tracing.attach_type", 4, attach_type),
    field(LinkKind::Tracing, "tracing.target_obj_id", 4, |e| Some(e.target_obj_id()?.into())),
    field(LinkKind::Tracing, "tracing.target_btf_id", 4, |e| Some(u32::from(e.target_btf_id()?).into())),
    field(LinkKind::Tracing, "tracing.cookie", 8, SnapshotEntry::cookie),
    field(LinkKind::Cgroup, "cgroup.cgroup_id", 8, SnapshotEntry::cgroup_id),
    field(LinkKind::Cgroup, "cgroup.attach_type", 4, attach_type),
    field(LinkKind::Netns, "netns.netns_ino", 4, |e| e.netns_inode().map(u64::from)),
    field(LinkKind::Netns, "netns.attach_type", 4, attach_type),
    field(LinkKind::Xdp, "xdp.ifindex", 4, ifindex),
    field(LinkKind::KprobeMulti, "kprobe_multi.count", 4, count),
    field(LinkKind::KprobeMulti, "kprobe_multi.flags", 4, flags)
        .since(&[("bpf_kprobe_multi_link", "flags"), ("bpf_link", "flags")]),
    field(LinkKind::StructOps, "struct_ops.map_id", 4, map_id),
    field(LinkKind::Netfilter, "netfilter.pf", 4, |e| e.netfilter_family().map(u64::from)),
    field(LinkKind::Netfilter, "netfilter.hooknum", 4, |e| e.netfilter_hook().map(u64::from)),
    field(LinkKind::Netfilter, "netfilter.priority", 4, |e| Some(u32::from_ne_bytes(e.netfilter_priority()?.to_ne_bytes()).into())),
    field(LinkKind::Tcx, "tcx.ifindex", 4, ifindex),
    field(LinkKind::Tcx, "tcx.attach_type", 4, attach_type),
    field(LinkKind::UprobeMulti, "uprobe_multi.count", 4, count),
    field(LinkKind::UprobeMulti, "uprobe_multi.flags", 4, flags),
    field(LinkKind::Netkit, "netkit.ifindex", 4, ifindex),
    field(LinkKind::Netkit, "netkit.attach_type", 4, attach_type),
    field(LinkKind::Sockmap, "sockmap.map_id", 4, map_id),
    field(LinkKind::Sockmap, "sockmap.attach_type", 4, attach_type),
    field(LinkKind::TracingMulti, "tracing_multi.count", 4, count),
    field(LinkKind::TracingMulti, "tracing_multi.attach_type", 4, attach_type),
];

fn as_raw_infos_say_by_casts(sandbox: &Sandbox) -> Result<()> {
    if KernelBtf::get()?.function("bpf_rdonly_cast")?.is_none() {
        println!("no casts");
        return Ok(());
    }
    as_raw_infos_say(sandbox, SnapshotMethod::TypedCast)
}

fn as_raw_infos_say_by_copies(sandbox: &Sandbox) -> Result<()> {
    as_raw_infos_say(sandbox, SnapshotMethod::ProbeRead)
}

/// Of links of every sort that this kernel can make, and of those once they are detached.
fn as_raw_infos_say(sandbox: &Sandbox, method: SnapshotMethod) -> Result<()> {
    let snapshotter = Snapshotter::load_at_most(method)?;
    ensure!(snapshotter.method() == method, "{snapshotter:?}");
    for kind in KINDS {
        let detached = Cell::new(0);
        let met = Cell::new(0);
        golden::each(sandbox, kind.cases, &|link| {
            check(&snapshotter, link, false)?;
            met.set(met.get() + 1);
            if link.detach().is_ok() {
                check(&snapshotter, link, true)?;
                detached.set(detached.get() + 1);
            }
            Ok(())
        })?;
        println!(
            "{}: {} links, {} detached",
            kind.kind,
            met.get(),
            detached.get()
        );
        let cannot = kind.kind == LinkKind::StructOps && Need::Before(6, 11).missing()?.is_none();
        let can = kind.kind.is_detachable() && !cannot;
        ensure!(
            met.get() == 0 || can == (detached.get() > 0),
            "{}",
            kind.kind
        );
    }
    Ok(())
}

fn check(snapshotter: &Snapshotter, link: &RawLink, is_detached: bool) -> Result<()> {
    let info = LinkInfo::of(link)?;
    let entries = snapshot(snapshotter)?;
    let entry = entries.iter().find(|entry| entry.id().get() == info.id());
    let entry = entry.context("it was not met")?;
    ensure!(entry.kind().as_raw() == info.link_type(), "{entry:?}");
    ensure!(
        entry.program_id().map_or(0, u32::from) == info.program_id(),
        "{entry:?}"
    );
    for field in FIELDS.iter().filter(|field| field.kind == entry.kind()) {
        field.check(entry, &info)?;
    }
    let here = netns_inode(&File::open("/proc/thread-self/ns/net")?)?;
    let here = here
        .and_then(|inode| u32::try_from(inode).ok())
        .context("no inode")?;
    match entry.kind() {
        LinkKind::Iter => iter(entry, &info)?,
        LinkKind::PerfEvent => perf_event(entry, &info)?,
        LinkKind::Xdp | LinkKind::Tcx | LinkKind::Netkit => {
            let netns = if entry.ifindex() == Some(0) { 0 } else { here };
            ensure!(entry.netns_inode() == Some(netns), "{entry:?}");
        }
        LinkKind::Netfilter => {
            ensure!(entry.netns_inode() == Some(here), "{entry:?}");
            ensure!(entry.is_dead() == Some(is_detached), "{entry:?}");
        }
        _ => {}
    }
    Ok(())
}

/// What the info has depends on the sort of objects.
fn iter(entry: &SnapshotEntry, info: &LinkInfo) -> Result<()> {
    let says = |member, bytes, told| {
        let expected = in_info(info, member, bytes)?;
        ensure!(
            expected == Some(told),
            "{member} is {expected:?}: {entry:?}"
        );
        Ok(())
    };
    match entry.iter_target().context("not told")? {
        Target::Map(map) => says("iter.map.map_id", 4, u32::from(map).into()),
        Target::Cgroup { cgroup_id, order } => {
            says("iter.cgroup.cgroup_id", 8, cgroup_id)?;
            says("iter.cgroup.order", 4, order.as_raw().into())
        }
        Target::Tid(tid) => says("iter.task.tid", 4, tid.into()),
        Target::Pid(pid) => says("iter.task.pid", 4, pid.into()),
        _ => {
            says("iter.map.map_id", 4, 0)?;
            says("iter.cgroup.cgroup_id", 8, 0)?;
            says("iter.cgroup.order", 4, 0)
        }
    }
}

/// What the info has depends on the sort of event.
fn perf_event(entry: &SnapshotEntry, info: &LinkInfo) -> Result<()> {
    let sort = in_info(info, "perf_event.type", 4)?.and_then(|sort| u32::try_from(sort).ok());
    let cookie = match sort {
        // This kernel does not say.
        None => None,
        Some(BPF_PERF_EVENT_UPROBE | BPF_PERF_EVENT_URETPROBE) => Some("perf_event.uprobe.cookie"),
        Some(BPF_PERF_EVENT_KPROBE | BPF_PERF_EVENT_KRETPROBE) => Some("perf_event.kprobe.cookie"),
        Some(BPF_PERF_EVENT_TRACEPOINT) => Some("perf_event.tracepoint.cookie"),
        Some(_) => {
            let event_type = in_info(info, "perf_event.event.type", 4)?;
            ensure!(entry.event_type().map(u64::from) == event_type, "{entry:?}");
            let config = in_info(info, "perf_event.event.config", 8)?;
            ensure!(entry.event_config() == config, "{entry:?}");
            Some("perf_event.event.cookie")
        }
    };
    ensure!(entry.event_type().is_some() && entry.event_config().is_some());
    ensure!(entry.cookie() == Some(COOKIE), "{entry:?}");
    if let Some(cookie) = cookie {
        let cookie = in_info(info, cookie, 8)?;
        ensure!(cookie.is_none_or(|cookie| entry.cookie() == Some(cookie)));
    }
    Ok(())
}

/// Descriptors that are duplicates are of one file.
fn references(sandbox: &Sandbox) -> Result<()> {
    let mut link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    let snapshotter = Snapshotter::load_at_most(SnapshotMethod::IdsOnly)?;
    let are = |expected| {
        // Others may be looking at the link.
        eventually_holds(&format!("it has {expected} references"), || {
            let entries = snapshot(&snapshotter)?;
            let entry = entries.iter().find(|entry| entry.id() == id);
            let references = entry.context("it was not met")?.references();
            Ok(references.context("not told")? == expected)
        })
    };
    are(1)?;
    let same = duplicate(&link)?;
    are(1)?;
    link.pin(sandbox.bpffs().join("pin"))?;
    are(2)?;
    let other = RawLink::from_id(id)?;
    are(3)?;
    drop((other, same));
    are(2)?;
    link.unpin()?;
    are(1)
}
