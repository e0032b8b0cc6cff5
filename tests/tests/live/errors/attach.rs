//! Every builder, refused for every condition that it shares with others.

use std::os::fd::{AsFd as _, BorrowedFd};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, Map, PerfEvent, Program, Sandbox, names, own_code,
};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    CgroupAttach, CgroupHook, CounterEvent, Error, IterAttach, KprobeEvent, KprobeMultiAttach,
    NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach,
    NetnsHook, PerfEventAttach, RawTracepointAttach, SockmapAttach, SockmapHook, SoftwareEvent,
    StructOpsAttach, TcxAttach, TcxHook, TracepointEvent, TracingAttach, TracingHook,
    TracingMultiAttach, UprobeEvent, UprobeMultiAttach, XdpAttach,
};

use crate::fixture::LOOPBACK;
use crate::fixture::chain::{check, check_refusal};
use crate::functions::own::{first, offset_of};
use crate::functions::test::function_id;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(what_does_not_fit_xdp),
    test!(what_does_not_fit_a_cgroup),
    test!(what_does_not_fit_a_network_namespace),
    test!(what_does_not_fit_a_raw_tracepoint),
    test!(what_does_not_fit_an_iterator),
    test!(what_does_not_fit_a_function),
    test!(what_does_not_fit_as_it_was_loaded),
    test!(what_does_not_fit_with_a_cookie).needs(&[Need::Linux(5, 19)]),
    test!(what_does_not_fit_an_extension),
    test!(what_does_not_fit_many_functions).needs(Need::TRACING_MULTI),
    test!(what_does_not_fit_netkit).needs(Need::NETKIT),
    test!(what_does_not_fit_tcx).needs(Need::TCX),
    test!(what_does_not_fit_netfilter).needs(Need::NETFILTER),
    test!(what_does_not_fit_a_sockmap).needs(Need::SOCKMAP),
    test!(what_does_not_fit_uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(what_does_not_fit_kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(what_does_not_fit_a_perf_event).needs(Need::PERF_EVENT),
    test!(what_does_not_fit_a_kprobe)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("register_kprobe")]),
    test!(what_does_not_fit_struct_ops).needs(Need::STRUCT_OPS),
    test!(a_missing_device),
    test!(a_missing_file).needs(Need::PERF_EVENT),
    test!(a_missing_file_of_many_probes).needs(Need::UPROBE_MULTI),
    test!(a_path_that_is_not_a_cgroup),
    test!(a_missing_thread).needs(Need::PERF_EVENT),
    test!(a_missing_tracepoint),
];

/// Holds what is refused of a builder that attaches whatever it is given: a map, and a program of
/// another type.
///
/// `hook` is what the caller has named, and `wrong` a program that does not fit.
fn misfits<T: std::fmt::Debug>(
    hook: &[&str],
    wrong: Hook,
    attach: impl Fn(BorrowedFd<'_>) -> Result<T, Error>,
) -> Result<()> {
    let map = Map::array(4, 1)?;
    let named = format!("map {}", map.id()?);
    let error = check_refusal(attach(map.as_fd()), &[&named])?;
    ensure!(
        matches!(error, Error::Link(bpf_link::Error::NotAProgram(_))),
        "{error:?}"
    );
    let program = Program::passing(wrong)?;
    let of_type = bpf_link::ProgramInfo::of(&program)?.program_type;
    let of_type = format!("of type {of_type}");
    let named = format!("program {} ({}) {of_type}", program.id()?, program.name()?);
    let words: Vec<&str> = hook.iter().copied().chain([named.as_str()]).collect();
    let error = check_refusal(attach(program.as_fd()), &words)?;
    let Error::AttachTypeMismatch {
        program: Some(found),
        ..
    } = &error
    else {
        anyhow::bail!("{error:?}");
    };
    ensure!(found.id.get() == program.id()?);
    ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    Ok(())
}

fn what_does_not_fit_xdp(_sandbox: &Sandbox) -> Result<()> {
    let hook = ["hook xdp of interface lo (index 1)"];
    misfits(&hook, Hook::SK_LOOKUP, |program| {
        XdpAttach::to("lo").attach(program)
    })?;
    misfits(&hook, Hook::SK_LOOKUP, |program| {
        XdpAttach::to(LOOPBACK).attach(program)
    })
}

fn what_does_not_fit_tcx(_sandbox: &Sandbox) -> Result<()> {
    let hook = ["hook tcx_egress of interface lo (index 1)"];
    misfits(&hook, Hook::XDP, |program| {
        TcxAttach::to("lo", TcxHook::Egress).attach(program)
    })
}

fn what_does_not_fit_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("words")?;
    let hook = format!("hook cgroup_sysctl of cgroup {}", cgroup.path().display());
    misfits(&[&hook], Hook::CGROUP_EGRESS, |program| {
        CgroupAttach::to(cgroup.path(), CgroupHook::Sysctl).attach(program)
    })?;
    // Of the right type, and for another hook.
    misfits(
        &[&hook.replace("sysctl", "inet_ingress")],
        Hook::CGROUP_SYSCTL,
        |program| CgroupAttach::to(cgroup.path(), CgroupHook::InetIngress).attach(program),
    )
}

fn what_does_not_fit_a_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let path = "/proc/thread-self/ns/net";
    let hook = format!("hook sk_lookup of network namespace {path}");
    misfits(&[&hook], Hook::XDP, |program| {
        NetnsAttach::to(path, NetnsHook::SkLookup).attach(program)
    })
}

fn what_does_not_fit_a_raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    misfits(&["tracepoint sched_switch"], Hook::XDP, |program| {
        RawTracepointAttach::to(c"sched_switch").attach(program)
    })?;
    misfits(&["the program's own target"], Hook::XDP, |program| {
        RawTracepointAttach::to_load_time_target().attach(program)
    })
}

fn what_does_not_fit_an_iterator(_sandbox: &Sandbox) -> Result<()> {
    misfits(&["hook trace_iter"], Hook::XDP, |program| {
        IterAttach::over_all().attach(program)
    })?;
    let map = Map::hash(4, 4, 1)?;
    let hook = format!("hook trace_iter of map {}", map.id()?);
    misfits(&[&hook], Hook::XDP, |program| {
        IterAttach::over_map(&map).attach(program)
    })
}

fn what_does_not_fit_a_function(_sandbox: &Sandbox) -> Result<()> {
    misfits(&["hook trace_fexit"], Hook::XDP, |program| {
        TracingAttach::to(TracingHook::Fexit).attach(program)
    })
}

fn what_does_not_fit_as_it_was_loaded(_sandbox: &Sandbox) -> Result<()> {
    misfits(&["the program's own target"], Hook::XDP, |program| {
        TracingAttach::as_loaded().attach(program)
    })
}

fn what_does_not_fit_with_a_cookie(_sandbox: &Sandbox) -> Result<()> {
    misfits(&["the program's own target"], Hook::XDP, |program| {
        TracingAttach::as_loaded().cookie(1).attach(program)
    })
}

fn what_does_not_fit_an_extension(_sandbox: &Sandbox) -> Result<()> {
    let words = "the function that the extension was loaded for";
    misfits(&[words], Hook::XDP, |program| {
        TracingAttach::extension().attach(program)
    })
}

fn what_does_not_fit_many_functions(_sandbox: &Sandbox) -> Result<()> {
    let function = function_id("vfs_read")?;
    let hook = format!("hook trace_fentry_multi of BTF type {function}");
    misfits(&[&hook], Hook::XDP, |program| {
        TracingMultiAttach::to(When::Entry, [function]).attach(program)
    })
}

fn what_does_not_fit_netkit(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    let hook = format!(
        "hook netkit_primary of interface kit (index {})",
        device.index()
    );
    misfits(&[&hook], Hook::XDP, |program| {
        NetkitAttach::to("kit", NetkitHook::Primary).attach(program)
    })?;
    device.delete()
}

fn what_does_not_fit_netfilter(_sandbox: &Sandbox) -> Result<()> {
    let hook = ["hook netfilter of family ip, hook input, priority -7"];
    misfits(&hook, Hook::XDP, |program| {
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7).attach(program)
    })
}

fn what_does_not_fit_a_sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hook = format!("hook sk_msg_verdict of map {}", map.id()?);
    misfits(&[&hook], Hook::XDP, |program| {
        SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(program)
    })
}

fn what_does_not_fit_uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let hook = ["hook trace_uprobe_multi of /proc/self/exe at 0x10, 0x20 in process 1"];
    misfits(&hook, Hook::XDP, |program| {
        UprobeMultiAttach::to("/proc/self/exe", When::Entry, [0x10, 0x20])
            .pid(1)
            .attach(program)
    })
}

fn what_does_not_fit_kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let functions = [c"vfs_read", c"vfs_write"];
    let hook = ["hook trace_kprobe_multi of functions vfs_read, vfs_write"];
    misfits(&hook, Hook::XDP, |program| {
        KprobeMultiAttach::to_symbols(When::Entry, &functions).attach(program)
    })
}

fn what_does_not_fit_a_perf_event(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let hook = ["hook perf_event of tracepoint sched:sched_switch"];
    misfits(&hook, Hook::XDP, |program| {
        let event = TracepointEvent::new("sched", "sched_switch").tracefs(tracefs);
        PerfEventAttach::to(event).attach(program)
    })?;
    let offset = offset_of(first)?;
    let hook = format!("hook perf_event of {} at {offset:#x}", own_code::FILE);
    misfits(&[&hook], Hook::TRACEPOINT, |program| {
        PerfEventAttach::to(UprobeEvent::at(own_code::FILE, offset)).attach(program)
    })?;
    let event = PerfEvent::clock(1_000_000)?;
    misfits(&["hook perf_event"], Hook::XDP, |program| {
        PerfEventAttach::to_event(&event).attach(program)
    })?;
    let counter = CounterEvent::with_period(SoftwareEvent::CpuClock, 1_000_000);
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    let thread = counter.thread(tid.try_into()?);
    for (counter, of) in [
        (counter, " on processor 0".to_owned()),
        (thread, format!(" of thread {tid}")),
        (
            thread.processor(0),
            format!(" of thread {tid} on processor 0"),
        ),
        (counter.thread(0), " of the calling thread".to_owned()),
    ] {
        let hook = format!("hook perf_event of perf event cpu-clock{of}");
        misfits(&[&hook], Hook::KPROBE, |program| {
            PerfEventAttach::to(counter).attach(program)
        })?;
    }
    Ok(())
}

/// A thread that there is not: the kernel refuses the event itself.
fn a_missing_thread(_sandbox: &Sandbox) -> Result<()> {
    // Above the highest that the kernel gives.
    const NO_THREAD: u32 = 4_194_305;
    let counter = CounterEvent::with_period(SoftwareEvent::CpuClock, 1_000_000);
    let program = Program::passing(Hook::PERF_EVENT)?;
    let refused = PerfEventAttach::to(counter.thread(NO_THREAD).processor(0)).attach(&program);
    let words = format!("perf event cpu-clock of thread {NO_THREAD} on processor 0");
    let error = check_refusal(refused, &[&words])?;
    ensure!(error.errno() == Some(libc::ESRCH), "{error:?}");
    Ok(())
}

fn what_does_not_fit_a_kprobe(_sandbox: &Sandbox) -> Result<()> {
    misfits(
        &["hook perf_event of function vfs_read"],
        Hook::TRACEPOINT,
        |program| PerfEventAttach::to(KprobeEvent::at(c"vfs_read", 0)).attach(program),
    )
}

fn what_does_not_fit_struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let named = format!("program {}", program.id()?);
    let error = check_refusal(StructOpsAttach::of(&program).attach(), &[&named])?;
    ensure!(
        matches!(error, Error::Link(bpf_link::Error::NotAMap(_))),
        "{error:?}"
    );
    // A name that is taken.
    let name = names::object_name("words");
    let (first, second) = (
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    );
    let _link = StructOpsAttach::of(&first).attach()?;
    let hook = format!("hook struct_ops of map {}", second.id()?);
    let error = check_refusal(StructOpsAttach::of(&second).attach(), &[&hook])?;
    ensure!(
        matches!(error, Error::HookTaken { .. }) && error.errno() == Some(libc::EEXIST),
        "{error:?}"
    );
    Ok(())
}

fn a_missing_device(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    check_refusal(XdpAttach::to("nowhere").attach(&program), &["nowhere"])?;
    check_refusal(XdpAttach::to(4711).attach(&program), &["4711"])?;
    Ok(())
}

fn a_missing_file(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let event = UprobeEvent::at("/no/such", 0);
    let error = check_refusal(PerfEventAttach::to(event).attach(&program), &["/no/such"])?;
    ensure!(matches!(error, Error::File { .. }), "{error:?}");
    ensure!(error.errno() == Some(libc::ENOENT), "{error:?}");
    // One that is there, and is shorter.
    let event = UprobeEvent::at("/proc/self/comm", 0xffff_ffff);
    let refused = PerfEventAttach::to(event).attach(&program);
    check_refusal(refused, &["/proc/self/comm at 0xffffffff"])?;
    // By a path that could be the name of a function.
    std::env::set_current_dir("/proc/self")?;
    let event = UprobeEvent::at("comm", 0xffff_ffff).pid(std::process::id());
    let refused = PerfEventAttach::to(event).attach(&program);
    let words = format!("comm at 0xffffffff in process {}", std::process::id());
    check_refusal(refused, &[&words])?;
    Ok(())
}

fn a_missing_file_of_many_probes(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let to = UprobeMultiAttach::to("/no/such", When::Entry, [0]);
    let error = check_refusal(to.attach(&program), &["/no/such"])?;
    ensure!(matches!(error, Error::File { .. }), "{error:?}");
    ensure!(error.errno() == Some(libc::ENOENT), "{error:?}");
    Ok(())
}

fn a_path_that_is_not_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let path = sandbox.directory();
    let named = path.display().to_string();
    let to = CgroupAttach::to(path, CgroupHook::InetEgress);
    let error = check_refusal(to.attach(&program), &[&named])?;
    let Error::NotACgroup { path: found, .. } = &error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(found.as_deref() == Some(path) && error.errno() == Some(libc::EBADF));
    let missing = path.join("missing");
    let to = CgroupAttach::to(missing.as_path(), CgroupHook::InetEgress);
    let error = check_refusal(to.attach(&program), &[&missing.display().to_string()])?;
    ensure!(matches!(error, Error::File { .. }), "{error:?}");
    Ok(())
}

fn a_missing_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let to = RawTracepointAttach::to(c"no_such_event");
    check_refusal(to.attach(&program), &["no_such_event"])?;
    let event = TracepointEvent::new("sched", "no_such_event").tracefs(sandbox.tracefs()?);
    let program = Program::passing(Hook::TRACEPOINT)?;
    let refused = PerfEventAttach::to(event).attach(&program);
    let error = refused.err().context("it was not refused")?;
    check(&error, &["sched:no_such_event"])
}
