//! Attaching through the types of the kinds: refusals that their documentation lists, and that the files of attaching do not come by.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{
    CounterMap, Device, DeviceKind, Hook, KernelBtf, Loader, Map, Program, Replaceable, Sandbox,
    iterator, own_code,
};
use bpf_link_typed::{
    Anchor, BtfTypeId, CgroupAttach, CgroupHook, CgroupIterOrder, Error, FileRef, IterAttach,
    IterCgroup, IterTask, KprobeMultiAttach, LinkAnchor, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach, NetnsHook, PerfEventAttach, Position,
    RawTracepointAttach, SockmapAttach, SockmapHook, StructOpsAttach, TcxAttach, TcxHook,
    TracepointEvent, TracingAttach, TracingHook, TracingMultiAttach, UprobeMultiAttach, When,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::attaching::ensure_error;
use crate::fixture::as_nobody;
use crate::harness::{Need, Test, test};
use crate::kernel_functions::{SYMBOLS, address_of};

/// Positions and revisions of cgroups, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];
const NO_PREORDER: &[Need] = &[Need::Without(&Need::Member("bpf_prog_list", "flags"))];
/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];
const NO_TASKS: &[Need] = &[Need::Without(&Need::Member("bpf_link_info", "iter.task"))];

/// A kernel without an attach type, or without a kind of link.
macro_rules! without {
    ($enumeration:literal, $constant:literal) => {
        &[Need::Without(&Need::Constant($enumeration, $constant))]
    };
}

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup_anchors).needs(ORDER),
    test!(cgroup_without_preorder).needs(NO_PREORDER),
    test!(iter_of_cgroups_and_tasks).needs(TASKS),
    test!(iter_of_maps),
    test!(iter_without_tasks).needs(NO_TASKS),
    test!(kprobe_multi_by_address).needs(Need::KPROBE_MULTI),
    test!(kprobe_multi_without).needs(&[Need::Without(&Need::Function("register_fprobe"))]),
    test!(netfilter_full).needs(Need::NETFILTER),
    test!(netfilter_without).needs(without!("bpf_attach_type", "BPF_NETFILTER")),
    test!(netkit).needs(Need::NETKIT),
    test!(netkit_without).needs(without!("bpf_attach_type", "BPF_NETKIT_PRIMARY")),
    test!(netns),
    test!(perf_event_full).needs(Need::PERF_EVENT),
    test!(perf_event_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_PERF_EVENT")),
    test!(raw_tracepoint),
    test!(raw_tracepoint_of_another_kind).needs(Need::TRACING),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(sockmap_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_SOCKMAP")),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(struct_ops_without).needs(without!("bpf_attach_type", "BPF_STRUCT_OPS")),
    test!(tcx_without).needs(without!("bpf_attach_type", "BPF_TCX_INGRESS")),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi_untraceable).needs(Need::TRACING_MULTI),
    test!(tracing_multi_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_TRACING_MULTI")),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(uprobe_multi_without).needs(without!("bpf_attach_type", "BPF_TRACE_UPROBE_MULTI")),
];

/// A descriptor that stands for a place and for nothing that is open there.
fn only_a_path(path: &str) -> Result<File> {
    let options = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path);
    options.context(path.to_owned())
}

/// One side runs before all others, and the other does not.
fn cgroup_anchors(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let link = to.attach(&program)?;
    let before = Position::Before(LinkAnchor::link(&link));
    ensure_error!(
        to.preorder().position(before).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn cgroup_without_preorder(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    ensure_error!(
        to.preorder().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    to.attach(&program)?;
    Ok(())
}

fn iter_of_maps(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map_elem", *b"element\n")?;
    for (over, errno) in [
        (IterAttach::over_map(&Map::sockmap(1)?), libc::EINVAL),
        (IterAttach::over_map(&program), libc::EINVAL),
        (
            IterAttach::over_map(&only_a_path("/proc/self/comm")?),
            libc::EBADF,
        ),
        (IterAttach::over_all(), libc::EBADF),
    ] {
        ensure_error!(
            over.attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    // It reads more of a value than there is.
    let value = KernelBtf::get()?.member("bpf_iter__bpf_map_elem", "value")?;
    let value = i16::try_from(value.context("there is no value")?.offset)?;
    let program = Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?;
    let program = program.running(&[
        asm::load(Register::R2, Register::R1, value),
        asm::skip_if_equal(Register::R2, 0, 1),
        asm::load(Register::R2, Register::R2, 8),
        asm::set(Register::R0, 0),
        asm::exit(),
    ])?;
    ensure_error!(
        IterAttach::over_map(&Map::hash(4, 8, 1)?).attach(&program),
        Error::Link(bpf_link::Error::PermissionDenied(_)),
        Some(libc::EACCES)
    );
    IterAttach::over_map(&Map::hash(4, 16, 1)?).attach(&program)?;
    Ok(())
}

fn iter_of_cgroups_and_tasks(sandbox: &Sandbox) -> Result<()> {
    let file = File::open("/proc/self/comm")?;
    let cgroup = sandbox.new_cgroup("errors")?;
    let (cgroups, tasks) = (
        iterator("cgroup", *b"element\n")?,
        iterator("task", *b"element\n")?,
    );
    let order = CgroupIterOrder::SelfOnly;
    for (over, program, errno) in [
        (
            IterAttach::over_cgroups_of(&file, order),
            &cgroups,
            libc::EBADF,
        ),
        (
            IterAttach::over_cgroups(IterCgroup::Id(u64::MAX), order),
            &cgroups,
            libc::ENOENT,
        ),
        (
            IterAttach::over_cgroups_of(&cgroup, CgroupIterOrder::from_raw(99)),
            &cgroups,
            libc::EINVAL,
        ),
        (
            IterAttach::over_tasks(IterTask::Pidfd(file.as_fd())),
            &tasks,
            libc::EBADF,
        ),
    ] {
        ensure_error!(
            over.attach(program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn iter_without_tasks(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    ensure_error!(
        IterAttach::over_tasks(IterTask::Pid(std::process::id())).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::E2BIG)
    );
    Ok(())
}

fn kprobe_multi_by_address(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    let inside =
        KprobeMultiAttach::to_addresses(When::Entry, &[address, address + 1]).attach(&program);
    let refused = inside.err().context("it was not refused")?;
    // Linux 6.12 and 7.3 do not agree.
    let known = [libc::EINVAL, libc::ENOENT];
    ensure!(
        matches!(refused, Error::Link(bpf_link::Error::Command(_))),
        "{refused:?}"
    );
    ensure!(
        refused.errno().is_some_and(|errno| known.contains(&errno)),
        "{refused:?}"
    );
    let too_many = vec![address; (1 << 20) + 1];
    ensure_error!(
        KprobeMultiAttach::to_addresses(When::Entry, &too_many).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::E2BIG)
    );
    Ok(())
}

/// `EOPNOTSUPP` where the kernel knows the kind and was built without it.
fn kprobe_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let known = Need::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI");
    let errno = match known.missing()? {
        Some(_) => libc::EINVAL,
        None => libc::EOPNOTSUPP,
    };
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(errno)
    );
    Ok(())
}

fn netfilter_at(priority: i32) -> NetfilterAttach {
    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::Forward, priority)
}

fn netfilter_full(_sandbox: &Sandbox) -> Result<()> {
    const MOST: usize = 1024;
    let other = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&other),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    // That many links are as many descriptors.
    let descriptors = Rlimit {
        current: Some(2 * MOST as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, descriptors).context("raising the limit")?;
    let program = Program::passing(Hook::NETFILTER)?;
    let mut links = Vec::new();
    let refused = loop {
        let priority = i32::try_from(links.len())? + 1;
        match netfilter_at(priority).attach(&program) {
            Ok(link) => links.push(link),
            Err(error) => break error,
        }
    };
    ensure!(
        links.len() <= MOST && links.len() >= MOST - 8,
        "{} are all",
        links.len()
    );
    ensure!(matches!(refused, Error::HookTaken(_)), "{refused:?}");
    ensure!(refused.errno() == Some(libc::E2BIG), "{refused:?}");
    Ok(())
}

fn netfilter_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let load = || Program::passing(Hook::NETKIT_PRIMARY);
    let (here, there) = (
        NetkitAttach::to("kit", NetkitHook::Primary),
        NetkitAttach::to("kit", NetkitHook::Peer),
    );
    let (program, other) = (load()?, Program::passing(Hook::NETKIT_PEER)?);
    let elsewhere = there.attach(&other)?;
    ensure_error!(
        here.clone()
            .position(Position::After(Anchor::link(&elsewhere)))
            .attach(&program),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT)
    );
    let programs: Vec<Program> = std::iter::repeat_with(load)
        .take(63)
        .collect::<Result<_>>()?;
    let _links: Vec<_> = programs
        .iter()
        .map(|program| here.attach(program))
        .collect::<Result<_, _>>()?;
    ensure_error!(
        here.attach(&program),
        Error::HookTaken(_),
        Some(libc::ERANGE)
    );
    Ok(())
}

/// A program for traffic control that was loaded for no attach type, as older kernels know none for it.
fn classifier() -> Result<Program> {
    let pass = Hook::TCX_INGRESS.pass;
    Program::passing(Hook::new(Hook::TCX_INGRESS.program_type, 0, pass))
}

fn netkit_without(_sandbox: &Sandbox) -> Result<()> {
    let program = classifier()?;
    let to = NetkitAttach::to("lo", NetkitHook::Primary);
    for to in [to.clone(), to.expected_revision(1)] {
        ensure_error!(
            to.attach(&program),
            Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn tcx_without(_sandbox: &Sandbox) -> Result<()> {
    let program = classifier()?;
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    for to in [to.clone(), to.expected_revision(1)] {
        ensure_error!(
            to.attach(&program),
            Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let file = only_a_path("/proc/self/ns/net")?;
    ensure_error!(
        NetnsAttach::to(FileRef::fd(&file), NetnsHook::SkLookup).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    Ok(())
}

fn perf_event_full(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let event = TracepointEvent::new("syscalls", "sys_enter_getppid").tracefs(tracefs);
    let to = PerfEventAttach::to(event);
    let programs: Vec<Program> = std::iter::repeat_with(|| Program::passing(Hook::TRACEPOINT))
        .take(64)
        .collect::<Result<_>>()?;
    let links: Vec<_> = programs
        .iter()
        .map(|program| to.attach(program))
        .collect::<Result<_, _>>()?;
    let one_more = Program::passing(Hook::TRACEPOINT)?;
    ensure_error!(to.attach(&one_more), Error::HookTaken(_), Some(libc::E2BIG));
    drop(links);
    to.attach(&one_more)?;
    let faults = u64::from(bpf_link_sys::PERF_COUNT_SW_PAGE_FAULTS);
    let program = Program::passing(Hook::PERF_EVENT)?;
    as_nobody(|| {
        let of_all = bpf_link_typed::CounterEvent::new(bpf_link_sys::PERF_TYPE_SOFTWARE, faults, 1);
        let refused = PerfEventAttach::to(of_all.processor(0)).attach(&program);
        let refused = refused.err().context("it was not refused")?;
        ensure!(
            matches!(&refused, Error::Link(bpf_link::Error::PermissionDenied(_))),
            "{refused:?}"
        );
        Ok(())
    })
}

fn perf_event_without(_sandbox: &Sandbox) -> Result<()> {
    let event = bpf_link_tests::PerfEvent::page_fault()?;
    let program = Program::passing(Hook::PERF_EVENT)?;
    ensure_error!(
        PerfEventAttach::to_event(&event).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let to = RawTracepointAttach::to(c"sys_enter");
    // It uses the twelfth argument.
    let greedy = Loader::new(Hook::RAW_TRACEPOINT).running(&[
        asm::load(Register::R2, Register::R1, 11 * 8),
        asm::set(Register::R0, 0),
        asm::exit(),
    ])?;
    for program in [&greedy, &Program::passing(Hook::XDP)?] {
        ensure_error!(
            to.attach(program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn raw_tracepoint_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .passing()?;
    let refused = RawTracepointAttach::to_load_time_target().attach(&program);
    let Err(Error::WrongKind { found, .. }) = refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(found == bpf_link_typed::LinkKind::Tracing);
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    for (map, errno) in [(&file, libc::EINVAL), (&path, libc::EBADF)] {
        ensure_error!(
            SockmapAttach::to(map, SockmapHook::MsgVerdict).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn sockmap_without(_sandbox: &Sandbox) -> Result<()> {
    let (map, program) = (Map::sockmap(1)?, Program::passing(Hook::SK_MSG_VERDICT)?);
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    for (map, errno) in [(&file, libc::EINVAL), (&path, libc::EBADF)] {
        ensure_error!(
            StructOpsAttach::of(map).attach(),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn struct_ops_without(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        StructOpsAttach::of(&Map::array(4, 1)?).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// A function with an extension is not traced, and one that is traced is not extended.
fn tracing(_sandbox: &Sandbox) -> Result<()> {
    let runs = CounterMap::new()?;
    let target = Replaceable::new(&runs)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let (extension, on_entry) = (
        target.extension().passing()?,
        target.tracer(Hook::FENTRY).passing()?,
    );
    for (map, errno) in [
        (File::open("/proc/self/comm")?, libc::EINVAL),
        (only_a_path("/proc/self/comm")?, libc::EBADF),
    ] {
        ensure_error!(
            TracingAttach::extension_of(&map, function).attach(&extension),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    let traced = TracingAttach::to(TracingHook::Fentry).attach(&on_entry)?;
    ensure_error!(
        TracingAttach::extension_of(&target, function).attach(&extension),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    drop(traced);
    let _extended = TracingAttach::extension_of(&target, function).attach(&extension)?;
    let another = target.tracer(Hook::FEXIT).passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fexit).attach(&another),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    Ok(())
}

/// The kernel lists what can be traced; of the rest some is described in BTF all the same.
fn tracing_multi_untraceable(sandbox: &Sandbox) -> Result<()> {
    let list = sandbox.tracefs()?.join("available_filter_functions");
    let list = std::fs::read_to_string(&list).context("the list of functions")?;
    let traceable: std::collections::HashSet<&str> = list.lines().collect();
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let mut untraceable = 0;
    for line in symbols.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some("T"), Some(name), None) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if traceable.contains(name) {
            continue;
        }
        let Some(id) = KernelBtf::get()?.function(name)?.and_then(BtfTypeId::new) else {
            continue;
        };
        let refused = TracingMultiAttach::to(When::Entry, &[id]).attach(&program);
        let refused = refused.err().with_context(|| name.to_owned())?;
        match refused.errno() {
            Some(libc::ENOENT) => untraceable += 1,
            // It is on a list of those that would be the end of the kernel, or returns too much.
            Some(libc::EINVAL | libc::EOPNOTSUPP) => {}
            _ => anyhow::bail!("{name}: {refused:?}"),
        }
        if untraceable == 3 {
            return Ok(());
        }
    }
    anyhow::bail!("{untraceable} were found")
}

fn tracing_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let id = KernelBtf::get()?.function("bpf_fentry_test1")?;
    let ids = [id.and_then(BtfTypeId::new).context("no such function")?];
    ensure_error!(
        TracingMultiAttach::to(When::Entry, &ids).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    for offsets in [&[][..], &[1 << 40]] {
        ensure_error!(
            UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    let other = Program::passing(Hook::KPROBE)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, &[64]).attach(&other),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    if Need::Linux(7, 2).missing()?.is_none() {
        let path = only_a_path(own_code::FILE)?;
        ensure_error!(
            UprobeMultiAttach::to(FileRef::fd(&path), When::Entry, &[64]).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn uprobe_multi_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, &[64]).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}
