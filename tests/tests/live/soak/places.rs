//! A place for a link of each kind: what there is to attach to, and two programs or maps that can be put there.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use bpf_link::{
    AttachType, BtfTypeId, KprobeMultiArgs, LinkCreate, LinkKind, NetfilterArgs, RawLink,
    RawTracepointOpen, TracingMultiArgs, UprobeMultiArgs,
};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, KernelBtf, Loader, Map, Netns, PerfEvent, Program,
    Sandbox, iterator, names,
};

use crate::harness::Need;

/// A place for one link at a time. No two places are in each other's way.
pub(super) struct Place {
    pub(super) kind: LinkKind,
    pub(super) objects: [Object; 2],
    make: Box<Make>,
}

/// Makes a link of this object.
type Make = dyn Fn(&Object) -> Result<RawLink> + Send + Sync;

/// What can be put on a link: a program, or a map of `struct_ops`.
#[derive(Debug)]
pub(super) struct Object {
    fd: OwnedFd,
    /// The program's id; none for a map.
    pub(super) program: Option<u32>,
    /// The map's id; none for a program.
    pub(super) map: Option<u32>,
}

impl AsFd for Object {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Object {
    fn program(program: Program) -> Result<Self> {
        let id = program.id()?;
        Ok(Self {
            fd: program.into(),
            program: Some(id),
            map: None,
        })
    }

    fn map(map: CongestionControl) -> Result<Self> {
        let id = map.id()?;
        Ok(Self {
            fd: map.into(),
            program: None,
            map: Some(id),
        })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)
    }
}

impl Place {
    fn new(
        kind: LinkKind,
        load: impl Fn() -> Result<Program>,
        make: impl Fn(&Object) -> Result<RawLink> + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self {
            kind,
            objects: [Object::program(load()?)?, Object::program(load()?)?],
            make: Box::new(make),
        })
    }

    /// Makes the link, of one of the objects.
    pub(super) fn make(&self, object: &Object) -> Result<RawLink> {
        (self.make)(object)
    }
}

/// How the place of a kind is made, for a thread of this number.
type MakePlace = fn(&Sandbox, usize) -> Result<Place>;

/// What each kind needs, and how its place is made.
const KINDS: &[(LinkKind, &[&[Need]], MakePlace)] = &[
    (LinkKind::RawTracepoint, &[], raw_tracepoint),
    // Before Linux 5.19 such a link is made in another way.
    (
        LinkKind::Tracing,
        &[Need::TRACING, &[Need::Linux(5, 19)]],
        tracing,
    ),
    (LinkKind::Cgroup, &[], cgroup),
    (LinkKind::Iter, &[], iter),
    (LinkKind::Netns, &[], netns),
    (LinkKind::Xdp, &[], xdp),
    (LinkKind::PerfEvent, &[Need::PERF_EVENT], perf_event),
    (LinkKind::KprobeMulti, &[Need::KPROBE_MULTI], kprobe_multi),
    (LinkKind::StructOps, &[Need::STRUCT_OPS], struct_ops),
    (LinkKind::Netfilter, &[Need::NETFILTER], netfilter),
    (LinkKind::Tcx, &[Need::TCX], tcx),
    (LinkKind::UprobeMulti, &[Need::UPROBE_MULTI], uprobe_multi),
    (LinkKind::Netkit, &[Need::NETKIT], netkit),
    (LinkKind::Sockmap, &[Need::SOCKMAP], sockmap),
    (
        LinkKind::TracingMulti,
        &[Need::TRACING_MULTI],
        tracing_multi,
    ),
];

/// Makes what a process makes once, and what all places share.
pub(super) fn prepare(sandbox: &Sandbox) -> Result<()> {
    std::fs::write(probed(sandbox), [0; 4096])?;
    std::fs::create_dir(sandbox.bpffs().join(super::slot::TAKEN))?;
    // The first use of each kind fills caches, and asks for every need.
    drop(all(sandbox, 0, &mut Vec::new())?);
    bpf_link_tests::eventually_holds("the programs have gone", || {
        Ok(bpf_link_tests::links::programs_named(names::prefix())?.is_empty())
    })
}

/// A place of each kind that this kernel has, for the thread of this number; why there is none of the others.
pub(super) fn all(
    sandbox: &Sandbox,
    thread: usize,
    missing: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for (kind, needs, make) in KINDS {
        let mut absent = None;
        for need in needs.iter().copied().flatten() {
            absent = absent.or(need.missing()?);
        }
        match absent {
            Some(why) => missing.push(format!("no {kind}: {why}")),
            None => places.push(make(sandbox, thread).with_context(|| kind.to_string())?),
        }
    }
    Ok(places)
}

fn request(object: &Object, hook: Hook) -> LinkCreate<'_> {
    LinkCreate::new(object, AttachType::from_raw(hook.attach_type))
}

fn raw_tracepoint(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::RAW_TRACEPOINT);
    Place::new(LinkKind::RawTracepoint, load, |object| {
        let request = RawTracepointOpen::named(object, c"sched_process_fork")?;
        Ok(RawLink::open_raw_tracepoint(&request)?)
    })
}

fn tracing(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || {
        let loader = Loader::new(Hook::FENTRY).function("bpf_fentry_test1")?;
        loader.passing()
    };
    Place::new(LinkKind::Tracing, load, |object| {
        Ok(RawLink::create(&request(object, Hook::FENTRY))?)
    })
}

fn cgroup(sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let cgroup = sandbox.new_cgroup(&format!("soak{thread}"))?;
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    Place::new(LinkKind::Cgroup, load, move |object| {
        let request = request(object, Hook::CGROUP_EGRESS).target_fd(&cgroup);
        Ok(RawLink::create(&request)?)
    })
}

fn iter(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    // Of programs there is one at least, which is this.
    let load = || iterator("bpf_prog", *b"element\n");
    Place::new(LinkKind::Iter, load, |object| {
        Ok(RawLink::create(&request(object, Hook::ITERATOR))?)
    })
}

fn netns(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let netns = Netns::current()?;
    let load = || Program::passing(Hook::SK_LOOKUP);
    Place::new(LinkKind::Netns, load, move |object| {
        let request = request(object, Hook::SK_LOOKUP).target_fd(&netns);
        Ok(RawLink::create(&request)?)
    })
}

fn xdp(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let device = Device::create(DeviceKind::Veth, &format!("xdp{thread}"))?;
    let load = || Program::passing(Hook::XDP);
    Place::new(LinkKind::Xdp, load, move |object| {
        let request = request(object, Hook::XDP).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    })
}

fn perf_event(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::PERF_EVENT);
    Place::new(LinkKind::PerfEvent, load, |object| {
        let event = PerfEvent::page_fault()?;
        let request = LinkCreate::new(object, AttachType::PerfEvent).target_fd(&event);
        Ok(RawLink::create(&request)?)
    })
}

fn kprobe_multi(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::KPROBE_MULTI);
    Place::new(LinkKind::KprobeMulti, load, |object| {
        let args = KprobeMultiArgs::symbols(&[c"bpf_fentry_test1", c"bpf_fentry_test2"]);
        let request = request(object, Hook::KPROBE_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}

fn struct_ops(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let name = names::object_name(&format!("cc{thread}"));
    let load = || Object::map(CongestionControl::new(&name)?);
    Ok(Place {
        kind: LinkKind::StructOps,
        objects: [load()?, load()?],
        make: Box::new(|object| Ok(RawLink::create(&LinkCreate::struct_ops(object))?)),
    })
}

fn netfilter(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let priority = i32::try_from(thread)?;
    let load = || Program::passing(Hook::NETFILTER);
    Place::new(LinkKind::Netfilter, load, move |object| {
        let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, priority);
        let request = request(object, Hook::NETFILTER).args(args);
        Ok(RawLink::create(&request)?)
    })
}

fn tcx(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let device = Device::create(DeviceKind::Veth, &format!("tcx{thread}"))?;
    let load = || Program::passing(Hook::TCX_INGRESS);
    Place::new(LinkKind::Tcx, load, move |object| {
        let request = request(object, Hook::TCX_INGRESS).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    })
}

/// A file to put probes into, which no process ever runs.
fn probed(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.directory().join("probed")
}

fn uprobe_multi(sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let path = CString::new(probed(sandbox).into_os_string().into_encoded_bytes())?;
    let load = || Program::passing(Hook::UPROBE_MULTI);
    Place::new(LinkKind::UprobeMulti, load, move |object| {
        let args = UprobeMultiArgs::path(&path, &[0x40, 0, 0x80]);
        let request = request(object, Hook::UPROBE_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}

fn netkit(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let device = Device::create(DeviceKind::Netkit, &format!("kit{thread}"))?;
    let load = || Program::passing(Hook::NETKIT_PRIMARY);
    Place::new(LinkKind::Netkit, load, move |object| {
        let request = request(object, Hook::NETKIT_PRIMARY).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    })
}

fn sockmap(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let map = Map::sockmap(2)?;
    let load = || Program::passing(Hook::SK_MSG_VERDICT);
    Place::new(LinkKind::Sockmap, load, move |object| {
        let request = request(object, Hook::SK_MSG_VERDICT).target_fd(&map);
        Ok(RawLink::create(&request)?)
    })
}

fn tracing_multi(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let mut ids = Vec::new();
    for name in ["bpf_fentry_test1", "bpf_fentry_test2"] {
        let id = KernelBtf::get()?.function(name)?.context(name)?;
        ids.push(BtfTypeId::new(id).context("an id of 0")?);
    }
    let load = || Program::passing(Hook::FENTRY_MULTI);
    Place::new(LinkKind::TracingMulti, load, move |object| {
        let args = TracingMultiArgs::new(&ids);
        let request = request(object, Hook::FENTRY_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}
