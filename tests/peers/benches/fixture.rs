//! Links of every kind that this machine can make.

use std::any::Any;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context as _, Result};
use bpf_link::{
    AttachType, BtfTypeId, KprobeMultiArgs, LinkCreate, NetfilterArgs, PerfEventArgs, RawLink,
    RawTracepointOpen, TracingMultiArgs, UprobeMultiArgs, XdpFlags,
};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, KernelBtf, Map, Netns, PerfEvent, ProbeAt,
    Program, Sandbox, iterator, traceable,
};

const LOOPBACK: u32 = 1;

/// How many probes the `uprobe_multi` link has.
const PROBES: u64 = 64;

/// How many functions the `kprobe_multi` link has.
const FUNCTIONS: usize = 10_000;

/// Those of the `tracing_multi` link, which the kernel has for tests.
const TEST_FUNCTIONS: [&str; 3] = ["bpf_fentry_test1", "bpf_fentry_test2", "bpf_fentry_test3"];

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
        let offsets: Vec<u64> = (0..PROBES).map(|nth| nth * 16).collect();
        let args = UprobeMultiArgs::path(&path, &offsets);
        made(&LinkCreate::new(&program, AttachType::TraceUprobeMulti).args(args))
    }),
    ("kprobe_multi", |sandbox| {
        let program = Program::passing(Hook::KPROBE_MULTI)?;
        let mut functions = traceable(sandbox)?;
        functions.truncate(FUNCTIONS);
        let cookies: Vec<u64> = (1..).take(functions.len()).collect();
        let args = KprobeMultiArgs::addresses(&functions).cookies(&cookies)?;
        made(&LinkCreate::new(&program, AttachType::TraceKprobeMulti).args(args))
    }),
    ("netkit", |_| {
        let device = Device::create(DeviceKind::Netkit, "bench")?;
        let program = Program::passing(Hook::NETKIT_PRIMARY)?;
        let request = LinkCreate::new(&program, AttachType::NetkitPrimary);
        Ok(Attached {
            link: create(&request.target_ifindex(device.index()))?,
            target: Box::new(device),
        })
    }),
    ("tracing_multi", |_| {
        let ids = TEST_FUNCTIONS.map(|name| {
            let id = KernelBtf::get()?.function(name)?;
            id.and_then(BtfTypeId::new).context(name)
        });
        let ids = ids.into_iter().collect::<Result<Vec<_>>>()?;
        let program = Program::passing(Hook::FENTRY_MULTI)?;
        let args = TracingMultiArgs::new(&ids).cookies(&[3, 2, 1])?;
        made(&LinkCreate::new(&program, AttachType::TraceFentryMulti).args(args))
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
