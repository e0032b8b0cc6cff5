//! A hook that is taken: the error says by which program, and by which link.

use std::ffi::CStr;
use std::fmt::Debug;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{LinkId, ProgramId, StructOpsMap};
use bpf_link_tests::{
    CongestionControl, Hook, Loader, Map, PerfEvent, Program, Sandbox, device, names,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Error, FileRef, HolderLink, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, PerfEventAttach, SockmapAttach, SockmapHook,
    StructOpsAttach, TcxAttach, TcxHook, TracepointEvent, TracingAttach, TracingHook,
    TracingMultiAttach, XdpAttach, XdpMode, attach::When,
};

use crate::fixture::LOOPBACK;
use crate::fixture::attaching::since;
use crate::fixture::chain::{check, check_refusal};
use crate::functions::test::{CHANGEABLE, FUNCTION, FUNCTIONS, fill};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_device_with_a_link).alone(),
    test!(a_device_without_a_link).alone(),
    test!(a_cgroup).alone(),
    test!(a_netfilter_priority).needs(Need::NETFILTER).alone(),
    test!(a_network_namespace).alone(),
    test!(a_network_namespace_by_another)
        .needs(&[Need::FirstNetns])
        .alone(),
    test!(a_sockmap)
        .alone()
        .needs(Need::SOCKMAP)
        .also_needs(&[Need::SOCKMAP_QUERY]),
    test!(an_event_of_the_caller).needs(Need::PERF_EVENT),
    test!(a_tracepoint).needs(Need::PERF_EVENT).alone(),
    test!(tcx).needs(Need::TCX),
    test!(a_kernel_function).needs(Need::TRACING).alone(),
    test!(kernel_functions).needs(Need::TRACING_MULTI).alone(),
    test!(callbacks).needs(Need::STRUCT_OPS).alone(),
    test!(callbacks_without_a_link)
        .needs(Need::STRUCT_OPS)
        .alone(),
    test!(callbacks_of_the_kernel).needs(Need::STRUCT_OPS),
];

/// Holds that the hook is taken, and that the error names this program and its link.
fn check_taken<T: Debug>(
    result: Result<T, Error>,
    hook: &str,
    program: &Program,
    link: HolderLink,
) -> Result<()> {
    let named = format!("program {} ({})", program.id()?, program.name()?);
    let by = match link {
        HolderLink::Link(id) => format!("{named} of link {id}"),
        HolderLink::WithoutLink => format!("{named} without a link"),
        _ => named,
    };
    let error = check_refusal(result, &[hook, &by])?;
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    let Some(holder) = holders.first() else {
        bail!("nobody has the hook: {error:?}");
    };
    ensure!(holder.program == ProgramId::new(program.id()?));
    ensure!(holder.name.to_str()? == program.name()?, "{holder:?}");
    ensure!(holder.link == link, "{holder:?}");
    Ok(())
}

fn a_device_with_a_link(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    let link = to.attach(&one)?;
    check_taken(to.attach(&two), "lo", &one, HolderLink::Link(link.id()?))
}

fn a_device_without_a_link(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    device::set_xdp(LOOPBACK, Some(one.as_fd()), None)?;
    let to = XdpAttach::to("lo").mode(XdpMode::Skb);
    check_taken(to.attach(&two), "lo", &one, HolderLink::WithoutLink)
}

/// A hook of a cgroup takes 64 programs.
fn a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("full")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let mut links = Vec::new();
    for _ in 0..64 {
        links.push(to.attach(&program)?);
    }
    let path = cgroup.path().to_string_lossy();
    let by_path = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let refused = check_refusal(by_path.attach(&program), &[&path])?;
    let Error::HookTaken { holders, .. } = refused else {
        bail!("{refused:?}");
    };
    let Err(Error::HookTaken { holders: of_fd, .. }) = to.attach(&program) else {
        bail!("it takes more than 64");
    };
    ensure!(of_fd == holders, "{of_fd:?}");
    let mut found: Vec<_> = holders.iter().map(|holder| holder.link).collect();
    let mut expected = Vec::new();
    for link in &links {
        expected.push(HolderLink::Link(link.id()?));
    }
    let id = |link: &HolderLink| match link {
        HolderLink::Link(id) => id.get(),
        _ => 0,
    };
    found.sort_by_key(id);
    expected.sort_by_key(id);
    ensure!(found == expected, "{found:?}");
    Ok(())
}

/// The kernel does not report where a netfilter link is, so the error names the links that may have
/// the priority.
fn a_netfilter_priority(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (
        Program::passing(Hook::NETFILTER)?,
        Program::passing(Hook::NETFILTER)?,
    );
    let at =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, priority);
    let link = at(-70).attach(&one)?;
    let _elsewhere = at(-71).attach(&one)?;
    let named = format!(
        "perhaps by program {} ({}) of link {}",
        one.id()?,
        one.name()?,
        link.id()?
    );
    let error = check_refusal(at(-70).attach(&two), &["priority -70", &named])?;
    let Error::PriorityTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    let [holder] = &**holders else {
        bail!("{error:?}");
    };
    ensure!(!holder.is_certain && holder.link == HolderLink::Link(link.id()?));
    ensure!(error.errno() == Some(libc::EBUSY), "{error:?}");

    // One that is detached, or in another network namespace, looks the same.
    link.detach()?;
    let other = at(-70).attach(&two)?;
    let error = check_refusal(at(-70).attach(&two), &["priority -70"])?;
    let Error::PriorityTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    ensure!(holders.len() == 2, "{error:?}");
    ensure!(holders.iter().all(|holder| !holder.is_certain));
    drop((link, other));
    Ok(())
}

fn a_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (
        Program::passing(Hook::FLOW_DISSECTOR)?,
        Program::passing(Hook::FLOW_DISSECTOR)?,
    );
    let path = "/proc/self/ns/net";
    let to = NetnsAttach::to(path, NetnsHook::FlowDissector);
    let link = to.attach(&one)?;
    check_taken(to.attach(&two), path, &one, HolderLink::Link(link.id()?))
}

/// Either the first namespace has a dissector, or others have one.
fn a_network_namespace_by_another(_sandbox: &Sandbox) -> Result<()> {
    let (one, two) = (
        Program::passing(Hook::FLOW_DISSECTOR)?,
        Program::passing(Hook::FLOW_DISSECTOR)?,
    );
    let link = NetnsAttach::to("/proc/self/ns/net", NetnsHook::FlowDissector).attach(&one)?;
    let first = "/proc/1/ns/net";
    let refused = NetnsAttach::to(first, NetnsHook::FlowDissector).attach(&two);
    let perhaps = format!("{first} is taken, perhaps by");
    check_taken(refused, &perhaps, &one, HolderLink::Link(link.id()?))
}

fn a_sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hook = format!("map {}", map.id()?);
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(&program)?;
    check_taken(
        to.attach(&program),
        &hook,
        &program,
        HolderLink::Link(link.id()?),
    )?;
    // A verdict excludes one of the other sort.
    let streams = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    let packets = Program::passing(Hook::SK_SKB_VERDICT)?;
    let link = SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).attach(&streams)?;
    let refused = SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&packets);
    check_taken(refused, &hook, &streams, HolderLink::Link(link.id()?))
}

fn an_event_of_the_caller(sandbox: &Sandbox) -> Result<()> {
    let event = || PerfEvent::tracepoint(sandbox, "syscalls", "sys_enter_getppid");
    let (one, two) = (
        Program::passing(Hook::TRACEPOINT)?,
        Program::passing(Hook::TRACEPOINT)?,
    );
    let first = event()?;
    let to = PerfEventAttach::to_event(&first);
    let link = to.attach(&one)?;
    check_taken(
        to.attach(&two),
        "hook perf_event",
        &one,
        HolderLink::Unknown,
    )?;
    // The event has no program, but its tracepoint has this one.
    let refused = PerfEventAttach::to_event(&event()?).attach(&one);
    ensure!(
        matches!(refused, Err(Error::AlreadyAttached(_))),
        "{refused:?}"
    );
    drop(link);

    // The kernel does not report the program of such an event.
    let event = PerfEvent::page_fault()?;
    let to = PerfEventAttach::to_event(&event);
    let _link = to.attach(&Program::passing(Hook::PERF_EVENT)?)?;
    let error = check_refusal(to.attach(&Program::passing(Hook::PERF_EVENT)?), &[])?;
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    ensure!(holders.is_empty() && error.errno() == Some(libc::EEXIST));
    Ok(())
}

/// A tracepoint takes 64 programs.
fn a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    const NAME: [&str; 2] = ["syscalls", "sys_enter_getppid"];
    let event = TracepointEvent::new(NAME[0], NAME[1]).tracefs(sandbox.tracefs()?);
    let to = PerfEventAttach::to(event);
    let mut programs = Vec::new();
    let mut links = Vec::new();
    for _ in 0..63 {
        let program = Program::passing(Hook::TRACEPOINT)?;
        links.push(to.attach(&program)?);
        programs.push(program);
    }
    let without_link = Program::passing(Hook::TRACEPOINT)?;
    let event = PerfEvent::tracepoint(sandbox, NAME[0], NAME[1])?;
    event.set_program(&without_link)?;
    // It has a link, but on another tracepoint.
    let elsewhere = TracepointEvent::new("sched", "sched_switch").tracefs(sandbox.tracefs()?);
    let _elsewhere = PerfEventAttach::to(elsewhere).attach(&without_link)?;

    let one_more = Program::passing(Hook::TRACEPOINT)?;
    let error = check_refusal(to.attach(&one_more), &["syscalls:sys_enter_getppid"])?;
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    ensure!(error.errno() == Some(libc::E2BIG), "{error:?}");
    // Since Linux 6.6 links say which tracepoint they are on.
    let reported = since(6, 6, ())?.is_some();
    let mut expected = Vec::new();
    for (program, link) in programs.iter().zip(&links) {
        let link = if reported {
            HolderLink::Link(link.id()?)
        } else {
            HolderLink::Unknown
        };
        expected.push((ProgramId::new(program.id()?), link));
    }
    let link = if reported {
        HolderLink::WithoutLink
    } else {
        HolderLink::Unknown
    };
    expected.push((ProgramId::new(without_link.id()?), link));
    let found = holders.iter().map(|holder| (holder.program, holder.link));
    ensure!(found.eq(expected.iter().copied()), "{error:?}");

    // The name of the tracepoint is not known.
    let event = PerfEvent::tracepoint(sandbox, NAME[0], NAME[1])?;
    let refused = PerfEventAttach::to_event(&event).attach(&one_more);
    let Err(Error::HookTaken { holders, .. }) = &refused else {
        bail!("{refused:?}");
    };
    ensure!(holders.len() == 64, "{refused:?}");
    let mut links = holders.iter().map(|holder| holder.link);
    ensure!(links.all(|link| link == HolderLink::Unknown), "{refused:?}");
    Ok(())
}

/// A tcx hook takes 63 programs, and lists them with their links in the order in which they run.
fn tcx(_sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let mut attached = Vec::new();
    for _ in 0..63 {
        let program = Program::passing(Hook::TCX_INGRESS)?;
        let link = to.attach(&program)?;
        attached.push((program, link));
    }
    let Some((first, link)) = attached.first() else {
        bail!("nothing is attached");
    };
    let link = HolderLink::Link(link.id()?);
    let another = Program::passing(Hook::TCX_INGRESS)?;
    check_taken(to.attach(&another), "lo", first, link)
}

/// Holds that these, and nobody else, are named as those who have the hook.
fn check_holders(error: &Error, expected: &[(u32, LinkId)]) -> Result<()> {
    let Error::HookTaken { holders, .. } = error else {
        bail!("{error:?}");
    };
    ensure!(error.errno() == Some(libc::E2BIG), "{error:?}");
    let found = holders.iter().map(|holder| (holder.program, holder.link));
    let expected = expected
        .iter()
        .map(|(program, link)| (ProgramId::new(*program), HolderLink::Link(*link)));
    ensure!(found.eq(expected), "{error:?}");
    Ok(())
}

/// A function takes 38 programs, whether they run when it is entered or when it returns.
fn a_kernel_function(_sandbox: &Sandbox) -> Result<()> {
    let load = |hook| Loader::new(hook).function(FUNCTION)?.passing();
    let on_exit = load(Hook::FEXIT)?;
    let exits = TracingAttach::to(TracingHook::Fexit).attach(&on_exit)?;
    let elsewhere = Loader::new(Hook::FENTRY).function(CHANGEABLE)?.passing()?;
    let _elsewhere = TracingAttach::as_loaded().attach(&elsewhere)?;
    let (attached, refused) = fill(
        || load(Hook::FENTRY),
        |program| TracingAttach::to(TracingHook::Fentry).attach(program),
    )?;
    // Programs do not say what they were loaded for before Linux 6.0.
    let mut expected = Vec::new();
    if since(6, 0, ())?.is_some() {
        expected.push((on_exit.id()?, exits.id()?));
        for (program, link) in &attached {
            expected.push((program.id()?, link.id()?));
        }
    }
    check(&refused, &["hook trace_fentry"])?;
    check_holders(&refused, &expected)
}

/// The error is about the one of them that is full.
fn kernel_functions(_sandbox: &Sandbox) -> Result<()> {
    let [first, second, third] = FUNCTIONS;
    let load = || Program::passing(Hook::FENTRY_MULTI);
    let on =
        |functions: &[&'static str]| TracingMultiAttach::to(When::Entry, functions.iter().copied());
    let on_entry = Loader::new(Hook::FENTRY).function(second)?.passing()?;
    let enters = TracingAttach::to(TracingHook::Fentry).attach(&on_entry)?;
    let (another, program) = (load()?, load()?);
    let _another = on(&[third, first]).attach(&another)?;
    let (attached, refused) = fill(load, |program| on(&[second]).attach(program))?;
    // There is no info about the links before Linux 7.3.
    let mut expected = vec![(on_entry.id()?, enters.id()?)];
    if since(7, 3, ())?.is_some() {
        for (program, link) in &attached {
            expected.push((program.id()?, link.id()?));
        }
    }
    for refused in [
        Some(refused),
        on(&[first, second, third]).attach(&program).err(),
    ] {
        let refused = refused.context("it was not refused")?;
        check(
            &refused,
            &["hook trace_fentry_multi", &format!("function {second}")],
        )?;
        check_holders(&refused, &expected)?;
    }
    Ok(())
}

/// Of two maps of one name, only one is registered.
fn callbacks(_sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("taken");
    let (one, two) = (
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    );
    let other = CongestionControl::new(&names::object_name("other"))?;
    let _other = StructOpsAttach::of(&other).attach()?;
    let link = StructOpsAttach::of(&one).attach()?;
    let holder = HolderLink::Link(link.id()?);
    check_map_taken(&two, &one, holder)?;
    // It is in its own way, too.
    check_map_taken(&one, &one, holder)?;
    let found = StructOpsMap::of(&one)?.context("it is a map of callbacks")?;
    ensure!(found.registered_name.as_deref().map(CStr::to_bytes) == Some(name.as_bytes()));
    ensure!(found.map.id.get() == one.id()? && found.is_used_without_link == Some(false));
    ensure!(StructOpsMap::all()?.contains(&found));
    ensure!(StructOpsMap::of(&Map::array(4, 1)?)?.is_none());
    Ok(())
}

fn callbacks_without_a_link(_sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("taken");
    let one = CongestionControl::registered(&name)?;
    let two = CongestionControl::new(&name)?;
    let checked = check_map_taken(&two, &one, HolderLink::WithoutLink);
    one.unregister()?;
    checked
}

/// No map has these callbacks.
fn callbacks_of_the_kernel(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("reno")?;
    let hook = format!("hook struct_ops of map {}", map.id()?);
    let error = check_refusal(StructOpsAttach::of(&map).attach(), &[&hook])?;
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    ensure!(holders.is_empty() && error.errno() == Some(libc::EEXIST));
    Ok(())
}

/// Checks that the error names the other map, whose callbacks have the name.
fn check_map_taken(
    wanted: &CongestionControl,
    taken_by: &CongestionControl,
    link: HolderLink,
) -> Result<()> {
    let hook = format!("hook struct_ops of map {}", wanted.id()?);
    let result = StructOpsAttach::of(wanted).attach();
    let error = result.err().context("it is not taken")?;
    check(&error, &[])?;
    ensure!(error.to_string().starts_with(&hook), "{error}");
    let Error::HookTaken { holders, .. } = &error else {
        bail!("{error:?}");
    };
    let [holder] = holders.as_slice() else {
        bail!("{error:?}");
    };
    ensure!(error.errno() == Some(libc::EEXIST), "{error:?}");
    ensure!(holder.map.map(u32::from) == Some(taken_by.id()?) && holder.link == link);
    ensure!(error.to_string().contains(&holder.to_string()), "{error}");
    Ok(())
}
