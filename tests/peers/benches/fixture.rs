//! Links of every kind that this machine can make.

use std::any::Any;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Result;
use bpf_link::{
    AttachType, LinkCreate, NetfilterArgs, PerfEventArgs, RawLink, RawTracepointOpen,
    UprobeMultiArgs, XdpFlags,
};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{
    CongestionControl, Hook, Map, Netns, PerfEvent, ProbeAt, Program, Sandbox, iterator,
};

const LOOPBACK: u32 = 1;

/// How many probes the `uprobe_multi` link has.
pub(crate) const PROBES: usize = 64;

/// A link, and what it is attached to, which has to be there for the link to stay attached.
pub(crate) struct Attached {
    pub(crate) link: RawLink,
    /// Only held.
    pub(crate) target: Box<dyn Any>,
}

/// What a link is of, and how it is made.
pub(crate) type Sort = (&'static str, fn(&Sandbox) -> Result<Attached>);

/// Of the kinds that this list has, a kernel may lack some.
pub(crate) const SORTS: &[Sort] = &[
    ("raw_tracepoint", |_| {
        let program = Program::passing(Hook::RAW_TRACEPOINT)?;
        let request = RawTracepointOpen::named(&program, c"bpf_test_finish")?;
        Ok(alone(RawLink::open_raw_tracepoint(&request)?))
    }),
    ("tracing", |_| {
        let program = bpf_link_tests::Loader::new(Hook::FENTRY)
            .function("bpf_fentry_test1")?
            .returning(0)?;
        made(&LinkCreate::new(&program, AttachType::TraceFentry))
    }),
    ("cgroup", |sandbox| {
        let cgroup = sandbox.new_cgroup("bench")?;
        on(Hook::CGROUP_EGRESS, cgroup)
    }),
    ("iter", |_| {
        let program = iterator("bpf_map", *b"benchmrk")?;
        made(&LinkCreate::new(&program, AttachType::TraceIter))
    }),
    ("netns", |_| on(Hook::SK_LOOKUP, Netns::current()?)),
    ("xdp", |_| Ok(alone(xdp()?))),
    ("perf_event tracepoint", |sandbox| {
        let event = PerfEvent::tracepoint(sandbox, "xdp", "xdp_exception")?;
        on_event(Hook::TRACEPOINT, &event)
    }),
    ("perf_event event", |_| {
        on_event(Hook::PERF_EVENT, &PerfEvent::page_fault()?)
    }),
    ("perf_event uprobe", |sandbox| {
        let path = sandbox.directory().join("probed");
        std::fs::write(&path, [0; 4096])?;
        on_event(Hook::KPROBE, &PerfEvent::uprobe(&path, 64, ProbeAt::Entry)?)
    }),
    ("struct_ops", |_| {
        let map = CongestionControl::new("bench")?;
        made(&LinkCreate::struct_ops(&map))
    }),
    ("netfilter", |_| {
        let program = Program::passing(Hook::NETFILTER)?;
        let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, -123);
        made(&LinkCreate::new(&program, AttachType::Netfilter).args(args))
    }),
    ("tcx", |_| {
        let program = Program::passing(Hook::TCX_INGRESS)?;
        let request = LinkCreate::new(&program, AttachType::TcxIngress);
        made(&request.target_ifindex(LOOPBACK))
    }),
    ("uprobe_multi", |sandbox| {
        let path = sandbox.directory().join("probed_often");
        std::fs::write(&path, [0; 4096])?;
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let program = Program::passing(Hook::UPROBE_MULTI)?;
        let offsets: Vec<u64> = (0..PROBES as u64).map(|nth| nth * 16).collect();
        let args = UprobeMultiArgs::path(&path, &offsets);
        made(&LinkCreate::new(&program, AttachType::TraceUprobeMulti).args(args))
    }),
    ("sockmap", |_| on(Hook::SK_MSG_VERDICT, Map::sockmap(2)?)),
];

pub(crate) fn xdp() -> Result<RawLink> {
    let program = Program::passing(Hook::XDP)?;
    let request = LinkCreate::new(&program, AttachType::Xdp)
        .target_ifindex(LOOPBACK)
        .xdp_flags(XdpFlags::SKB_MODE);
    create(&request)
}

fn on(hook: Hook, target: impl AsFd + 'static) -> Result<Attached> {
    let program = Program::passing(hook)?;
    let attach_type = AttachType::from_raw(hook.attach_type);
    let link = create(&LinkCreate::new(&program, attach_type).target_fd(&target))?;
    Ok(Attached {
        link,
        target: Box::new(target),
    })
}

fn on_event(hook: Hook, event: &PerfEvent) -> Result<Attached> {
    let program = Program::passing(hook)?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent).target_fd(event);
    made(&request.args(PerfEventArgs::cookie(7)))
}

fn made(request: &LinkCreate<'_>) -> Result<Attached> {
    Ok(alone(create(request)?))
}

/// A link that holds what it is attached to itself.
fn alone(link: RawLink) -> Attached {
    Attached {
        link,
        target: Box::new(()),
    }
}

fn create(request: &LinkCreate<'_>) -> Result<RawLink> {
    Ok(RawLink::create(request)?)
}

/// A second descriptor of the same link.
pub(crate) fn duplicate(link: &impl AsFd) -> Result<OwnedFd> {
    Ok(link.as_fd().try_clone_to_owned()?)
}
