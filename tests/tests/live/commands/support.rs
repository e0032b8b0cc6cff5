//! What a kernel says of the kinds of links that it can create, held against what it does.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, BtfTypeId, Command, Error, InvalidRequest, KprobeMultiArgs, LinkCreate, LinkKind,
    NetfilterArgs, RawLink, RawTracepointOpen, Support, TracingMultiArgs, UprobeMultiArgs,
};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, KernelBtf, Loader, Map, Netns, PerfEvent, Program,
    Sandbox, eventually_holds, iterator, links, names, own_code,
};
use bpf_link_typed as typed;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::fixture::{LOOPBACK, as_nobody, without_descriptors, xdp};
use crate::harness::{Need, Test, test};
use crate::typed::list::link_types;

pub(crate) const TESTS: &[Test] = &[
    test!(what_each_kind_needs).needs(&[Need::NoOops]),
    test!(what_can_be_created).alone().needs(&[Need::NoOops]),
    test!(nothing_is_left).alone(),
    test!(a_taken_device),
    test!(it_takes_a_privilege),
    test!(it_takes_descriptors),
    test!(it_takes_the_kernels_types),
    test!(what_is_certain_is_kept),
    test!(a_kind_of_a_later_kernel),
    test!(the_types_of_the_kinds),
];

/// What tests of a kind need, which is how they are skipped.
fn needs(kind: LinkKind) -> &'static [Need] {
    match kind {
        LinkKind::Tracing => Need::TRACING,
        LinkKind::PerfEvent => Need::PERF_EVENT,
        LinkKind::KprobeMulti => Need::KPROBE_MULTI,
        LinkKind::StructOps => Need::STRUCT_OPS,
        LinkKind::Netfilter => Need::NETFILTER,
        LinkKind::Tcx => Need::TCX,
        LinkKind::UprobeMulti => Need::UPROBE_MULTI,
        LinkKind::Netkit => Need::NETKIT,
        LinkKind::Sockmap => Need::SOCKMAP,
        LinkKind::TracingMulti => Need::TRACING_MULTI,
        _ => &[],
    }
}

/// The tests of a kind run exactly where the kernel is said to have it.
fn what_each_kind_needs(_sandbox: &Sandbox) -> Result<()> {
    for kind in LinkKind::KNOWN {
        let missing = needs(*kind)
            .iter()
            .find_map(|need| need.missing().transpose())
            .transpose()?;
        let support = kind.probe();
        ensure!(
            support.is_yes() == missing.is_none(),
            "{kind}: {support:?}, but {missing:?}"
        );
        match support {
            Support::Yes => {}
            Support::No(refusal) => {
                let errno = refusal.errno();
                ensure!(
                    matches!(errno, Some(libc::EINVAL | libc::EOPNOTSUPP)),
                    "{kind}: {refusal:?}"
                );
            }
            // This machine is against such programs, whatever its kernel can do.
            Support::Unknown(Error::PermissionDenied(refusal)) => ensure!(
                *kind == LinkKind::Tracing && refusal.command() == Command::ProgLoad,
                "{kind}: {refusal:?}"
            ),
            unknown => anyhow::bail!("{kind}: {unknown:?}"),
        }
    }
    Ok(())
}

/// A link of this kind, as simple as it can be; whatever goes wrong, and be it before, is why it cannot be created.
fn create(kind: LinkKind, sandbox: &Sandbox) -> Result<RawLink> {
    let passing = |hook| Program::passing(hook);
    let function = "bpf_fentry_test1";
    let link = match kind {
        LinkKind::RawTracepoint => {
            let program = passing(Hook::RAW_TRACEPOINT)?;
            RawLink::open_raw_tracepoint(&RawTracepointOpen::named(&program, c"sched_switch")?)
        }
        LinkKind::Tracing => {
            let program = Loader::new(Hook::FENTRY).function(function)?.passing()?;
            RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(&program))
        }
        LinkKind::Cgroup => {
            let (program, cgroup) = (passing(Hook::CGROUP_EGRESS)?, sandbox.new_cgroup("probe")?);
            let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
            RawLink::create(&request.target_fd(&cgroup))
        }
        LinkKind::Iter => {
            let program = iterator("bpf_map", *b"element\n")?;
            RawLink::create(&LinkCreate::new(&program, AttachType::TraceIter))
        }
        LinkKind::Netns => {
            let (program, netns) = (passing(Hook::SK_LOOKUP)?, Netns::current()?);
            RawLink::create(&LinkCreate::new(&program, AttachType::SkLookup).target_fd(&netns))
        }
        LinkKind::Xdp => return xdp(&passing(Hook::XDP)?),
        LinkKind::PerfEvent => {
            let (program, event) = (passing(Hook::PERF_EVENT)?, PerfEvent::clock(1_000_000)?);
            RawLink::create(&LinkCreate::new(&program, AttachType::PerfEvent).target_fd(&event))
        }
        LinkKind::KprobeMulti => {
            let program = passing(Hook::KPROBE_MULTI)?;
            let request = LinkCreate::new(&program, AttachType::TraceKprobeMulti);
            RawLink::create(&request.args(KprobeMultiArgs::symbols(&[c"bpf_fentry_test1"])))
        }
        LinkKind::StructOps => {
            let control = CongestionControl::new(&names::object_name("probe"))?;
            RawLink::create(&LinkCreate::struct_ops(&control))
        }
        LinkKind::Netfilter => {
            let program = passing(Hook::NETFILTER)?;
            let request = LinkCreate::new(&program, AttachType::Netfilter);
            let family = libc::AF_INET.unsigned_abs();
            RawLink::create(&request.args(NetfilterArgs::new(family, 0, 4711)))
        }
        LinkKind::Tcx => {
            let program = passing(Hook::TCX_INGRESS)?;
            let request = LinkCreate::new(&program, AttachType::TcxIngress);
            RawLink::create(&request.target_ifindex(LOOPBACK))
        }
        LinkKind::UprobeMulti => {
            let program = passing(Hook::UPROBE_MULTI)?;
            let offset = own_code::offset_of(create as *const ())?;
            let request = LinkCreate::new(&program, AttachType::TraceUprobeMulti);
            RawLink::create(&request.args(UprobeMultiArgs::path(c"/proc/self/exe", &[offset])))
        }
        LinkKind::Netkit => {
            let program = passing(Hook::NETKIT_PRIMARY)?;
            let device = Device::create(DeviceKind::Netkit, "kit")?;
            let request = LinkCreate::new(&program, AttachType::NetkitPrimary);
            RawLink::create(&request.target_ifindex(device.index()))
        }
        LinkKind::Sockmap => {
            let (program, map) = (passing(Hook::SK_MSG_VERDICT)?, Map::sockmap(1)?);
            RawLink::create(&LinkCreate::new(&program, AttachType::SkMsgVerdict).target_fd(&map))
        }
        LinkKind::TracingMulti => {
            let program = passing(Hook::FENTRY_MULTI)?;
            let id = KernelBtf::get()?.function(function)?;
            let ids = [id.and_then(BtfTypeId::new).context("no such function")?];
            let request = LinkCreate::new(&program, AttachType::TraceFentryMulti);
            RawLink::create(&request.args(TracingMultiArgs::new(&ids)))
        }
        kind => anyhow::bail!("nobody knows how to create {kind} links"),
    };
    Ok(link?)
}

/// What the kernel is said to be able to do is what it does.
fn what_can_be_created(sandbox: &Sandbox) -> Result<()> {
    for kind in LinkKind::KNOWN {
        let support = kind.probe();
        match create(*kind, sandbox) {
            Ok(link) => {
                ensure!(link.kind()? == *kind);
                ensure!(support.is_yes(), "{kind} links are created: {support:?}");
            }
            Err(error) => ensure!(!support.is_yes(), "{kind}: {error:?}"),
        }
    }
    Ok(())
}

/// A link holds its program: where no program is left, no link is. Somebody else on this machine may be asking the same right now.
fn nothing_is_left(_sandbox: &Sandbox) -> Result<()> {
    for kind in LinkKind::KNOWN {
        let _ = kind.probe();
        let what = format!("nothing is left of the probe for {kind} links");
        let is_gone = || Ok(links::programs_named("bpf_link_probe")?.is_empty());
        eventually_holds(&what, is_gone)?;
    }
    Ok(())
}

/// The device that is asked about has programs already.
fn a_taken_device(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = xdp(&program)?;
    ensure!(LinkKind::Xdp.probe().is_yes());
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    Ok(())
}

fn it_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    as_nobody(|| {
        for kind in LinkKind::KNOWN {
            let support = kind.probe();
            let Support::Unknown(Error::PermissionDenied(refusal)) = &support else {
                anyhow::bail!("{kind}: {support:?}");
            };
            ensure!(refusal.errno() == Some(libc::EPERM), "{kind}: {refusal:?}");
        }
        Ok(())
    })?;
    // None of that is kept.
    for kind in LinkKind::KNOWN {
        let support = kind.probe();
        ensure!(
            !matches!(support, Support::Unknown(_)) || *kind == LinkKind::Tracing,
            "{kind}: {support:?}"
        );
    }
    ensure!(LinkKind::Cgroup.probe().is_yes());
    Ok(())
}

fn it_takes_descriptors(_sandbox: &Sandbox) -> Result<()> {
    let ask = || LinkKind::KNOWN.iter().map(|kind| kind.probe());
    let support: Vec<_> = without_descriptors(|| ask().collect())?;
    for (kind, support) in LinkKind::KNOWN.iter().zip(support) {
        match support {
            Support::Unknown(error) => {
                ensure!(error.errno() == Some(libc::EMFILE), "{kind}: {error:?}");
                ensure!(matches!(error, Error::Command(_)), "{kind}: {error:?}");
            }
            // A kernel may have said enough before it came to that.
            certain => ensure!(kind.probe().is_yes() == certain.is_yes(), "{kind}"),
        }
        let later = kind.probe();
        let is_told = !matches!(later, Support::Unknown(_));
        ensure!(is_told || *kind == LinkKind::Tracing, "{kind}: {later:?}");
    }
    for kind in [LinkKind::RawTracepoint, LinkKind::Cgroup, LinkKind::Iter] {
        ensure!(kind.probe().is_yes());
    }
    Ok(())
}

fn it_takes_the_kernels_types(sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    /// A description of no types.
    const HEADER: [u32; 6] = [0x0001_eb9f, 24, 0, 0, 0, 0];
    let header: Vec<u8> = HEADER.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let instead = sandbox.directory().join("types");
    for (bytes, errno) in [(Vec::new(), None), (header, Some(libc::ENOENT))] {
        std::fs::write(&instead, &bytes)?;
        mount_bind(&instead, PATH).context(PATH)?;
        for kind in [LinkKind::Tracing, LinkKind::Iter] {
            let support = kind.probe();
            let Support::Unknown(Error::Command(refusal)) = &support else {
                anyhow::bail!("{kind}: {support:?}");
            };
            ensure!(refusal.command() == Command::ReadKernelTypes);
            ensure!(refusal.errno() == errno, "{kind}: {refusal:?}");
        }
        unmount(PATH, UnmountFlags::empty())?;
    }
    ensure!(LinkKind::Iter.probe().is_yes());
    Ok(())
}

fn what_is_certain_is_kept(_sandbox: &Sandbox) -> Result<()> {
    let certain: Vec<_> = LinkKind::KNOWN
        .iter()
        .map(|kind| (kind, kind.probe()))
        .filter(|(_, support)| !matches!(support, Support::Unknown(_)))
        .collect();
    ensure!(certain.len() >= LinkKind::KNOWN.len() - 1);
    as_nobody(|| {
        for (kind, before) in &certain {
            let again = kind.probe();
            ensure!(format!("{again:?}") == format!("{before:?}"));
        }
        Ok(())
    })
}

fn a_kind_of_a_later_kernel(_sandbox: &Sandbox) -> Result<()> {
    for number in [0, 99, u32::MAX] {
        let kind = LinkKind::Unknown(number);
        let support = kind.probe();
        ensure!(
            matches!(&support, Support::Unknown(Error::InvalidRequest(InvalidRequest::Probe(asked))) if *asked == kind),
            "{support:?}"
        );
    }
    Ok(())
}

fn the_types_of_the_kinds(_sandbox: &Sandbox) -> Result<()> {
    macro_rules! of_types {
        ($($Link:ident),+) => { [$( (typed::$Link::KIND, typed::$Link::probe()) ),+] };
    }
    let support = link_types!(of_types);
    let kinds = support.iter().map(|(kind, _)| kind);
    ensure!(kinds.eq(LinkKind::KNOWN));
    for (kind, support) in support {
        ensure!(format!("{support:?}") == format!("{:?}", kind.probe()));
    }
    Ok(())
}
