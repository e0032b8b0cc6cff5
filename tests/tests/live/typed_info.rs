//! Info: each field of each kind, as its type has it.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    IterArgs, IterCgroup, IterTask, KprobeMultiArgs, LinkCreate, MprogArgs, NetfilterArgs,
    PerfEventArgs, PerfEventConfig, RawLink, RawTracepointOpen, TracingArgs, TracingMultiArgs,
    UprobeMultiArgs,
};
use bpf_link_sys::{
    NF_INET_LOCAL_OUT, NFPROTO_IPV6, PERF_COUNT_SW_PAGE_FAULTS, PERF_TYPE_SOFTWARE,
};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, KernelBtf, Loader, Map, Netns, PerfEvent, ProbeAt,
    Program, Sandbox, device, eventually_holds, iterator,
};
use bpf_link_typed::{
    AttachType, BtfTypeId, CgroupIterOrder, CgroupLink, Hideable, InfoBuf, IterLink, IterTarget,
    KprobeMultiFlags, KprobeMultiLink, MapId, NetfilterFlags, NetfilterLink, NetkitLink, NetnsLink,
    PerfEventDetails, PerfEventLink, ProgramId, RawTracepointLink, SockmapLink, StructOpsLink,
    TcxLink, TracingLink, TracingMultiLink, UprobeMultiFlags, UprobeMultiLink, XdpLink,
};

use crate::fixture::{LOOPBACK, as_nobody, xdp as on_loopback};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(cgroup_that_goes),
    test!(iter),
    test!(iter_of_tasks_and_cgroups).needs(&[Need::Member("bpf_link_info", "iter.task")]),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(netns),
    test!(perf_event).needs(Need::PERF_EVENT),
    test!(perf_event_of_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(perf_event_by_address)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(perf_event_of_a_uprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
    test!(raw_tracepoint),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tcx).needs(Need::TCX),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(xdp),
    test!(xdp_whose_device_goes).needs(&[Need::Device(DeviceKind::Veth)]),
];

/// In both halves, and more than fits into one.
const COOKIE: u64 = 0x0123_4567_89ab_cdef;

/// What this kernel reports: the value since that Linux, nothing before.
fn since<T>(major: u32, minor: u32, value: T) -> Result<Option<T>> {
    let reported = Need::Linux(major, minor).missing()?.is_none();
    Ok(reported.then_some(value))
}

fn id_of(program: &Program) -> Result<Option<ProgramId>> {
    Ok(ProgramId::new(program.id()?))
}

fn request(program: &Program, hook: Hook) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::from_raw(hook.attach_type))
}

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    for hook in [Hook::CGROUP_EGRESS, Hook::CGROUP_SOCK_CREATE] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
        let link = CgroupLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.cgroup_id == Some(cgroup.id()?), "{info:?}");
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let detached = link.info()?;
        ensure!(detached.is_defunct() == Some(true) && detached.cgroup_id.is_none());
        ensure!(detached.attach_type == info.attach_type);
        ensure!(detached.program_id == info.program_id);
    }
    Ok(())
}

fn cgroup_that_goes(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("typed")?;
    let hook = Hook::CGROUP_EGRESS;
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&cgroup))?;
    let link = CgroupLink::try_from(link)?;
    cgroup.remove()?;
    eventually_holds("the link knows", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::create()?;
    for hook in [Hook::FLOW_DISSECTOR, Hook::SK_LOOKUP] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&netns))?;
        let link = NetnsLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.netns_ino.map(u64::from) == Some(netns.inode()?));
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let info = link.info()?;
        ensure!(info.is_defunct() == Some(true) && info.netns_ino.is_none());
    }
    Ok(())
}

fn xdp(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = XdpLink::try_from(on_loopback(&program)?)?;
    let info = link.info()?;
    ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
    ensure!(info.ifindex == Some(LOOPBACK) && info.is_defunct() == Some(false));
    link.detach()?;
    let info = link.info()?;
    ensure!(info.ifindex.is_none() && info.is_defunct() == Some(true));
    ensure!(info.program_id == id_of(&program)?);
    Ok(())
}

fn xdp_whose_device_goes(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "typed")?;
    let program = Program::passing(Hook::XDP)?;
    let request = request(&program, Hook::XDP).target_ifindex(device.index());
    let link = XdpLink::try_from(RawLink::create(&request)?)?;
    ensure!(link.info()?.ifindex == Some(device.index()));
    device.delete()?;
    eventually_holds("the link knows", || {
        Ok(link.info()?.is_defunct() == Some(true))
    })
}

fn tcx(_sandbox: &Sandbox) -> Result<()> {
    for hook in [Hook::TCX_INGRESS, Hook::TCX_EGRESS] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook)
            .target_ifindex(LOOPBACK)
            .args(MprogArgs::new());
        let link = TcxLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)? && info.ifindex == Some(LOOPBACK));
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

/// For the peer it is the index of the peer, though the primary end was asked for.
fn netkit(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "typed")?;
    let peer = device::index_of(&device::peer_name("typed"))?;
    for (hook, index) in [
        (Hook::NETKIT_PRIMARY, device.index()),
        (Hook::NETKIT_PEER, peer),
    ] {
        let program = Program::passing(hook)?;
        let request = request(&program, hook).target_ifindex(device.index());
        let link = NetkitLink::try_from(RawLink::create(&request)?)?;
        let info = link.info()?;
        ensure!(info.program_id == id_of(&program)?);
        ensure!(info.ifindex == Some(index), "{info:?} and not {index}");
        ensure!(info.attach_type.as_raw() == hook.attach_type, "{info:?}");
        link.detach()?;
        ensure!(link.info()?.is_defunct() == Some(true));
    }
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let (hook, map) = (Hook::SK_MSG_VERDICT, Map::sockmap(2)?);
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&map))?;
    let link = SockmapLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.map_id == MapId::new(map.id()?));
    ensure!(info.attach_type == AttachType::SkMsgVerdict && info.is_defunct() == Some(false));
    link.detach()?;
    let info = link.info()?;
    ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    Ok(())
}

fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("typed")?;
    let link = StructOpsLink::try_from(RawLink::create(&LinkCreate::struct_ops(&map))?)?;
    let info = link.info()?;
    ensure!(info.program_id.is_none() && info.map_id == MapId::new(map.id()?));
    ensure!(info.is_defunct() == Some(false));
    if Need::Linux(6, 11).missing()?.is_none() {
        link.detach()?;
        let info = link.info()?;
        ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    }
    Ok(())
}

fn netfilter(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123);
    let link = RawLink::create(&request(&program, Hook::NETFILTER).args(args))?;
    let link = NetfilterLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)?);
    ensure!((info.family, info.hook, info.priority) == (NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123));
    ensure!(info.flags == NetfilterFlags::empty() && info.is_defunct().is_none());
    link.detach()?;
    ensure!(link.info()? == info, "it says that it was detached");
    Ok(())
}

fn raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let with_cookie = Need::Linux(6, 10).missing()?.is_none();
    let mut buf = InfoBuf::new();
    for cookie in [0, COOKIE] {
        let program = Program::passing(Hook::RAW_TRACEPOINT)?;
        let mut request = RawTracepointOpen::named(&program, c"sched_switch")?;
        if with_cookie {
            request = request.cookie(cookie);
        }
        let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.name == Some(c"sched_switch"), "{info:?}");
        ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        ensure!(info.into_owned() == link.info()?);
    }
    // A program with types makes the same kind.
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_process_fork")?
        .returning(0)?;
    let request = RawTracepointOpen::load_time_target(&program);
    let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
    ensure!(link.info_in(&mut buf)?.name == Some(c"sched_process_fork"));
    Ok(())
}

fn tracing(_sandbox: &Sandbox) -> Result<()> {
    let function = "bpf_fentry_test1";
    let id = KernelBtf::get()?.function(function)?.context(function)?;
    let program = Loader::new(Hook::FENTRY).function(function)?.returning(0)?;
    let (link, cookie) = if Need::Linux(5, 19).missing()?.is_none() {
        let args = TracingArgs::new().cookie(COOKIE);
        let request = LinkCreate::new(&program, AttachType::TraceFentry).args(args);
        (RawLink::create(&request)?, COOKIE)
    } else {
        let request = RawTracepointOpen::load_time_target(&program);
        (RawLink::open_raw_tracepoint(&request)?, 0)
    };
    let info = TracingLink::try_from(link)?.info()?;
    ensure!(info.program_id == id_of(&program)? && info.attach_type == AttachType::TraceFentry);
    ensure!(info.target_btf_id == since(5, 13, id)?.and_then(BtfTypeId::new));
    // The kernel's own types, of which every kernel has one object.
    ensure!(info.target_obj_id.is_some() == since(5, 13, ())?.is_some());
    ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
    ensure!(info.is_defunct() == Some(false));
    Ok(())
}

fn iter_info(target: &str, args: Option<IterArgs<'_>>) -> Result<IterTarget> {
    let program = iterator(target, *b"element\n")?;
    let mut request = LinkCreate::new(&program, AttachType::TraceIter);
    if let Some(args) = args {
        request = request.args(args);
    }
    let link = IterLink::try_from(RawLink::create(&request)?)?;
    let mut buf = InfoBuf::new();
    let info = link.info_in(&mut buf)?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let name = info.target_name.context("no name")?;
    ensure!(name.to_str()? == target, "{info:?}");
    ensure!(info.into_owned() == link.info()?);
    Ok(info.target)
}

fn iter(_sandbox: &Sandbox) -> Result<()> {
    ensure!(iter_info("bpf_map", None)? == IterTarget::All);
    ensure!(iter_info("task", None)? == IterTarget::All);
    let map = Map::hash(4, 4, 1)?;
    let target = iter_info("bpf_map_elem", Some(IterArgs::map(&map)))?;
    let id = MapId::new(map.id()?).context("no id")?;
    ensure!(target == IterTarget::Map(id), "{target:?}");
    Ok(())
}

fn iter_of_tasks_and_cgroups(sandbox: &Sandbox) -> Result<()> {
    let process = std::process::id();
    for target in ["task", "task_file"] {
        let tid = iter_info(target, Some(IterArgs::Task(IterTask::Tid(process))))?;
        ensure!(tid == IterTarget::Tid(process), "{tid:?}");
        let pid = iter_info(target, Some(IterArgs::Task(IterTask::Pid(process))))?;
        ensure!(pid == IterTarget::Pid(process), "{pid:?}");
    }
    let cgroup = sandbox.new_cgroup("typed")?;
    for order in [CgroupIterOrder::SelfOnly, CgroupIterOrder::DescendantsPost] {
        let args = IterArgs::Cgroup {
            cgroup: IterCgroup::Fd(cgroup.as_fd()),
            order,
        };
        let target = iter_info("cgroup", Some(args))?;
        let cgroup_id = cgroup.id()?;
        ensure!(
            target == IterTarget::Cgroup { cgroup_id, order },
            "{target:?}"
        );
    }
    Ok(())
}

/// What is said of a link on this event, with a cookie.
fn perf_info(event: &impl AsFd, hook: Hook) -> Result<PerfEventDetails> {
    let program = Program::passing(hook)?;
    let request = LinkCreate::new(&program, AttachType::PerfEvent)
        .target_fd(event)
        .args(PerfEventArgs::cookie(COOKIE));
    let link = PerfEventLink::try_from(RawLink::create(&request)?)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let mut buf = InfoBuf::new();
    ensure!(link.info_in(&mut buf)?.into_owned() == info);
    Ok(info.event)
}

/// Whether the kernel says nothing, as it should before Linux 6.6.
fn is_not_reported(event: &PerfEventDetails) -> Result<bool> {
    let not_reported = *event == PerfEventDetails::NotReported;
    ensure!(not_reported == since(6, 6, ())?.is_none(), "{event:?}");
    Ok(not_reported)
}

fn perf_event(sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::tracepoint(sandbox, "sched", "sched_switch")?;
    let event = perf_info(&event, Hook::TRACEPOINT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Tracepoint(tracepoint) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(
            tracepoint.name.as_deref() == Some(c"sched_switch"),
            "{event:?}"
        );
        ensure!(tracepoint.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    let event = perf_info(&PerfEvent::page_fault()?, Hook::PERF_EVENT)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Event(counter) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(counter.event_type == PERF_TYPE_SOFTWARE, "{event:?}");
        ensure!(
            counter.config == u64::from(PERF_COUNT_SW_PAGE_FAULTS),
            "{event:?}"
        );
        ensure!(counter.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    Ok(())
}

fn perf_event_of_a_kprobe(_sandbox: &Sandbox) -> Result<()> {
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::kprobe("bpf_fentry_test1", at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Kprobe(probe) | PerfEventDetails::Kretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Kretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        ensure!(
            probe.function.as_deref() == Some(c"bpf_fentry_test1"),
            "{event:?}"
        );
        ensure!(
            probe.offset == 0 && probe.missed == since(6, 7, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}

fn perf_event_of_a_uprobe(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    for at in [ProbeAt::Entry, ProbeAt::Return] {
        let event = perf_info(&PerfEvent::uprobe(&path, 64, at)?, Hook::KPROBE)?;
        if is_not_reported(&event)? {
            continue;
        }
        let (PerfEventDetails::Uprobe(probe) | PerfEventDetails::Uretprobe(probe)) = &event else {
            anyhow::bail!("{event:?}");
        };
        let is_return = matches!(event, PerfEventDetails::Uretprobe(_));
        ensure!(is_return == (at == ProbeAt::Return), "{event:?}");
        let file = probe.file.as_deref().map(CStr::to_bytes);
        ensure!(
            file == Some(path.as_os_str().as_encoded_bytes()),
            "{event:?}"
        );
        ensure!(
            probe.offset == 64 && probe.ref_ctr_offset == since(6, 16, 0)?,
            "{event:?}"
        );
        ensure!(probe.cookie == since(6, 9, COOKIE)?, "{event:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// By an address, a probe has no name.
fn perf_event_by_address(_sandbox: &Sandbox) -> Result<()> {
    const TYPE: &str = "/sys/bus/event_source/devices/kprobe/type";
    let number = std::fs::read_to_string(TYPE).context(TYPE)?;
    let Some(address) = kallsyms("bpf_fentry_test1")? else {
        // Then nobody can place one by address.
        return Ok(());
    };
    let config = PerfEventConfig::new(number.trim().parse()?, 0).probe_address(address);
    let event = bpf_link::PerfEvent::open(&config)?;
    let event = perf_info(&event, Hook::KPROBE)?;
    if !is_not_reported(&event)? {
        let PerfEventDetails::Kprobe(probe) = &event else {
            anyhow::bail!("{event:?}");
        };
        ensure!(probe.function.is_none(), "{event:?}");
        ensure_address(probe.address, "bpf_fentry_test1")?;
    }
    Ok(())
}

/// The address of a function; nothing if this kernel hides it even from root.
fn kallsyms(function: &str) -> Result<Option<u64>> {
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    let mut lines = symbols.lines().map(|line| line.split(' '));
    let address = lines.find_map(|mut words| {
        let (address, _, name) = (words.next()?, words.next()?, words.next()?);
        (name == function).then_some(address)
    });
    let address = u64::from_str_radix(address.context("no such function")?, 16)?;
    Ok(Some(address).filter(|address| *address != 0))
}

/// The kernel may have it a few bytes behind that of the function, where the function's own code begins.
fn ensure_address(found: Hideable<u64>, function: &str) -> Result<()> {
    match (found, kallsyms(function)?) {
        (Hideable::Hidden, None) => Ok(()),
        (Hideable::Visible(found), Some(address)) if found.wrapping_sub(address) <= 16 => Ok(()),
        (found, address) => anyhow::bail!("{function} is at {found:x?} and not {address:x?}"),
    }
}

const FUNCTIONS: [&CStr; 3] = [
    c"bpf_fentry_test3",
    c"bpf_fentry_test1",
    c"bpf_fentry_test2",
];
const COOKIES: [u64; 3] = [COOKIE, u64::MAX, 0];

/// Each function is there, in whichever order, and its cookie with it.
fn ensure_functions(
    addresses: Hideable<&[u64]>,
    cookies: Option<&[u64]>,
    expected: [u64; 3],
) -> Result<()> {
    let Hideable::Visible(addresses) = addresses else {
        return ensure_address(Hideable::Hidden, "bpf_fentry_test1");
    };
    ensure!(addresses.len() == FUNCTIONS.len());
    for (function, expected) in FUNCTIONS.into_iter().zip(expected) {
        let name = function.to_str()?;
        let near = |(_, address): &(usize, &u64)| {
            ensure_address(Hideable::Visible(**address), name).is_ok()
        };
        let mut found = addresses.iter().enumerate().filter(near);
        let (index, _) = found
            .next()
            .with_context(|| format!("{name}: {addresses:x?}"))?;
        let cookie = cookies.map(|cookies| cookies.get(index));
        ensure!(
            cookie.is_none_or(|cookie| cookie == Some(&expected)),
            "{cookies:x?}"
        );
    }
    Ok(())
}

/// Whether addresses are hidden from a user without any privilege.
fn are_hidden_from_nobody() -> Result<bool> {
    let read = |name: &str| -> Result<i32> {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}"))?;
        Ok(text.trim().parse()?)
    };
    Ok(read("kptr_restrict")? > 0 || read("perf_event_paranoid")? > 1)
}

fn kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let mut buf = InfoBuf::new();
    for (cookies, flags) in [
        (None, KprobeMultiFlags::empty()),
        (Some(&COOKIES), KprobeMultiFlags::RETURN),
    ] {
        let mut args = KprobeMultiArgs::symbols(&FUNCTIONS).flags(flags);
        if let Some(cookies) = cookies {
            args = args.cookies(cookies)?;
        }
        let request = request(&program, Hook::KPROBE_MULTI).args(args);
        let link = KprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.count == since(6, 6, 3)? && info.flags == since(6, 6, flags)?);
        ensure!(info.missed == since(6, 7, 0)?, "{info:?}");
        ensure!(
            info.cookies.is_some() == since(6, 9, ())?.is_some(),
            "{info:?}"
        );
        ensure!(info.addresses.is_some() == info.count.is_some(), "{info:?}");
        if let Some(addresses) = info.addresses {
            let expected = cookies.copied().unwrap_or_default();
            ensure_functions(addresses, info.cookies, expected)?;
            let owned = info.into_owned();
            ensure!(link.info()? == owned);
            let hidden = as_nobody(|| Ok(link.info()?.addresses))?;
            ensure!((hidden == Some(Hideable::Hidden)) == are_hidden_from_nobody()?);
        }
    }
    Ok(())
}

fn tracing_multi(_sandbox: &Sandbox) -> Result<()> {
    let hook = Hook::FENTRY_MULTI;
    let program = Program::passing(hook)?;
    let mut ids = Vec::new();
    for function in FUNCTIONS {
        let id = KernelBtf::get()?.function(function.to_str()?)?;
        ids.push(id.and_then(BtfTypeId::new).context("no such function")?);
    }
    let args = TracingMultiArgs::new(&ids).cookies(&COOKIES)?;
    let link = RawLink::create(&request(&program, hook).args(args))?;
    let link = TracingMultiLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    ensure!(info.attach_type == since(7, 3, AttachType::TraceFentryMulti)?);
    ensure!(
        info.btf_obj_id.is_some() == since(7, 3, ())?.is_some(),
        "{info:?}"
    );
    ensure!(info.count == since(7, 3, 3)?, "{info:?}");
    let mut sorted: Vec<(u32, u64)> = ids.iter().map(|id| id.get()).zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u32>, Vec<u64>) = sorted.into_iter().unzip();
    ensure!(info.ids == since(7, 3, sorted)?, "{info:?}");
    ensure!(info.cookies == since(7, 3, cookies)?, "{info:?}");
    if let Some(addresses) = &info.addresses {
        let addresses = match addresses {
            Hideable::Visible(addresses) => Hideable::Visible(addresses.as_slice()),
            Hideable::Hidden => Hideable::Hidden,
        };
        ensure_functions(addresses, info.cookies.as_deref(), COOKIES)?;
    }
    Ok(())
}

fn uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    const OFFSETS: [u64; 3] = [0x40, 0, 0x80];
    const COUNTERS: [u64; 3] = [0x100, 0, 0x102];
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    let file = CString::new(path.as_os_str().as_encoded_bytes())?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let all = UprobeMultiArgs::path(&file, &OFFSETS)
        .ref_ctr_offsets(&COUNTERS)?
        .cookies(&COOKIES)?
        .flags(UprobeMultiFlags::RETURN)
        .pid(std::process::id());
    let plain = UprobeMultiArgs::path(&file, &OFFSETS);
    for (args, counters, cookies, flags, pid) in [
        (
            all,
            COUNTERS,
            COOKIES,
            UprobeMultiFlags::RETURN,
            std::process::id(),
        ),
        (plain, [0; 3], [0; 3], UprobeMultiFlags::empty(), 0),
    ] {
        let request = request(&program, Hook::UPROBE_MULTI).args(args);
        let link = UprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let mut buf = InfoBuf::new();
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.path == since(6, 8, file.as_c_str())?, "{info:?}");
        ensure!(info.count == since(6, 8, 3)?, "{info:?}");
        ensure!(info.offsets == since(6, 8, OFFSETS.as_slice())?, "{info:?}");
        ensure!(
            info.ref_ctr_offsets == since(6, 8, counters.as_slice())?,
            "{info:?}"
        );
        ensure!(info.cookies == since(6, 8, cookies.as_slice())?, "{info:?}");
        ensure!(info.flags == since(6, 8, flags)?, "{info:?}");
        ensure!(info.pid == since(6, 8, pid)?, "{info:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
