//! Attaching through the types of the kinds: tracepoints, tracing programs, iterators and callbacks.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{
    CongestionControl, CounterMap, Hook, Loader, Map, Program, Replaceable, Sandbox, iterator,
};
use bpf_link_typed::{
    AttachType, BtfTypeId, CgroupIterOrder, Error, IterAttach, IterCgroup, IterTarget, IterTask,
    LinkKind, MapId, RawTracepointAttach, StructOpsAttach, TracingAttach, TracingHook,
    TracingMultiAttach, When,
};

use crate::fixture::attaching::{counting, counts, counts_switches, ensure_error, id_of, since};
use crate::functions::test::{
    CHANGEABLE, FUNCTION, ask_for_a_process_group, call_test_functions, function_id,
};
use crate::harness::{Need, Test, test};

/// Cookies of raw tracepoints, since Linux 6.10.
const COOKIES: &[Need] = &[Need::Linux(6, 10)];
/// Cookies of tracing programs, since Linux 5.19.
const TRACING_COOKIES: &[Need] = &[Need::Linux(5, 19)];

pub(crate) const TESTS: &[Test] = &[
    test!(iter),
    test!(iter_of_tasks_and_cgroups).needs(&[Need::Member("bpf_link_info", "iter.task")]),
    test!(raw_tracepoint),
    test!(raw_tracepoint_cookie).needs(COOKIES),
    test!(raw_tracepoint_without_cookie).needs(&[Need::Before(6, 10)]),
    test!(raw_tracepoint_with_types),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_cookie)
        .needs(Need::TRACING)
        .also_needs(TRACING_COOKIES),
    test!(tracing_without_cookie)
        .needs(Need::TRACING)
        .also_needs(&[Need::Before(5, 19)]),
    test!(tracing_extension).needs(Need::TRACING),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
];

const COOKIE: u64 = 0x0123_4567_89ab_cdef;

fn raw_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::RAW_TRACEPOINT)?;
    let to = RawTracepointAttach::to(c"sched_switch");
    let link = to.attach(&program)?;
    let info = link.info()?;
    ensure!(info.name.as_deref() == Some(c"sched_switch"));
    ensure!(info.program_id == id_of(&program)?);
    ensure!(counts_switches(&counter)?);
    if Need::Before(6, 10).missing()?.is_none() {
        ensure_error!(
            to.attach(&program),
            Error::AlreadyAttached(_),
            Some(libc::EEXIST)
        );
    }
    let refused = RawTracepointAttach::to(c"no_such").attach(&program);
    ensure!(matches!(
        &refused,
        Err(Error::NoSuchTracepoint { tracepoint, .. }) if tracepoint == "no_such"
    ));
    ensure_error!(refused, Error::NoSuchTracepoint { .. }, Some(libc::ENOENT));
    let long = std::ffi::CString::new([b'n'; 128])?;
    ensure_error!(
        RawTracepointAttach::to(&long).attach(&program),
        Error::Link(bpf_link::Error::InvalidRequest(_)),
        None
    );
    ensure_error!(
        RawTracepointAttach::to_load_time_target().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EFAULT)
    );
    drop(link);
    ensure!(!counts_switches(&counter)?);
    Ok(())
}

fn raw_tracepoint_cookie(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::RAW_TRACEPOINT)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let to = RawTracepointAttach::to(c"sched_switch").cookie(COOKIE);
    let link = to.attach(&program)?;
    ensure!(link.info()?.cookie == since(6, 17, COOKIE)?);
    ensure!(counts_switches(&sum)?);
    Ok(())
}

fn raw_tracepoint_without_cookie(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    ensure_error!(
        RawTracepointAttach::to(c"sched_switch")
            .cookie(COOKIE)
            .attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn raw_tracepoint_with_types(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .counting(&counter)
        .passing()?;
    let to = RawTracepointAttach::to_load_time_target();
    let link = to.attach(&program)?;
    ensure!(link.info()?.name.as_deref() == Some(c"sched_switch"));
    ensure!(counts_switches(&counter)?);
    drop(link);
    if Need::Linux(5, 19).missing()?.is_none() {
        let link = to.cookie(COOKIE).attach(&program)?;
        ensure!(link.info()?.cookie == since(6, 17, COOKIE)?);
    }
    Ok(())
}

fn iter(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let map = Map::hash(4, 4, 1)?;
    let link = IterAttach::over_all().attach(&program)?;
    ensure!(link.info()?.target == IterTarget::All);
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));

    let program = iterator("bpf_map_elem", *b"element\n")?;
    map.update(&1u32.to_ne_bytes(), &1u32.to_ne_bytes())?;
    let link = IterAttach::over_map(&map).attach(&program)?;
    let id = MapId::new(map.id()?).context("it has an id")?;
    ensure!(link.info()?.target == IterTarget::Map(id));
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    ensure_error!(
        IterAttach::over_all().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    ensure_error!(
        IterAttach::over_all().attach(&Program::passing(Hook::XDP)?),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn iter_of_tasks_and_cgroups(sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    let process = std::process::id();
    let this = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(this, rustix::process::PidfdFlags::empty())?;
    for (tasks, target) in [
        (IterTask::Tid(process), IterTarget::Tid(process)),
        (IterTask::Pid(process), IterTarget::Pid(process)),
        (IterTask::Pidfd(pidfd.as_fd()), IterTarget::Pid(process)),
    ] {
        let link = IterAttach::over_tasks(tasks).attach(&program)?;
        ensure!(link.info()?.target == target, "{:?}", link.info()?);
        let read = std::io::read_to_string(link.create_iter()?)?;
        ensure!(read.contains("element\n"), "{read}");
    }
    let cgroup = sandbox.new_cgroup("attach")?;
    let program = iterator("cgroup", *b"element\n")?;
    let (cgroup_id, order) = (cgroup.id()?, CgroupIterOrder::AncestorsUp);
    for to in [
        IterAttach::over_cgroups_of(&cgroup, order),
        IterAttach::over_cgroups(IterCgroup::Id(cgroup_id), order),
    ] {
        let link = to.attach(&program)?;
        ensure!(link.info()?.target == IterTarget::Cgroup { cgroup_id, order });
        ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    }
    Ok(())
}

fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("attach")?;
    let link = StructOpsAttach::of(&map).attach()?;
    ensure!(link.info()?.map_id == MapId::new(map.id()?));
    let same_name = CongestionControl::new("attach")?;
    ensure_error!(
        StructOpsAttach::of(&same_name).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EEXIST)
    );
    ensure_error!(
        StructOpsAttach::of(&Map::array(4, 1)?).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn tracing(_sandbox: &Sandbox) -> Result<()> {
    let mut hooks = vec![
        (Hook::FENTRY, TracingHook::Fentry, FUNCTION),
        (Hook::FEXIT, TracingHook::Fexit, FUNCTION),
        (Hook::MODIFY_RETURN, TracingHook::ModifyReturn, CHANGEABLE),
    ];
    let sessions = Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION");
    if sessions.missing()?.is_none() {
        hooks.push((Hook::FSESSION, TracingHook::Fsession, FUNCTION));
    }
    for (hook, of, function) in hooks {
        let counter = CounterMap::new()?;
        let loader = Loader::new(hook).function(function)?.in_this_process();
        let program = loader.counting(&counter).passing()?;
        let event = || match of {
            TracingHook::ModifyReturn => ask_for_a_process_group(),
            _ => call_test_functions(),
        };
        let link = TracingAttach::to(of).attach(&program)?;
        let info = link.info()?;
        ensure!(info.attach_type == of.attach_type() && info.program_id == id_of(&program)?);
        ensure!(info.target_btf_id == since(5, 13, function_id(function)?)?);
        ensure!(counts(&counter, event)?, "{of:?}");
        drop(link);
        ensure!(!counts(&counter, event)?, "{of:?}");
    }
    // The hook that is asked for is the program's.
    let program = Loader::new(Hook::FEXIT).function(FUNCTION)?.passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fentry).attach(&program),
        Error::AttachTypeMismatch { .. } | Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    let attach = |function: &str| -> Result<_> {
        let program = Loader::new(Hook::LSM).function(function)?.passing()?;
        Ok(TracingAttach::to(TracingHook::LsmMac).attach(&program)?)
    };
    if Need::Function("bpf_lsm_file_open").missing()?.is_none() {
        let link = attach("bpf_lsm_file_open")?;
        ensure!(link.info()?.attach_type == AttachType::LsmMac);
    }
    Ok(())
}

fn tracing_cookie(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::FENTRY)
        .function(FUNCTION)?
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let to = TracingAttach::to(TracingHook::Fentry).cookie(COOKIE);
    let link = to.attach(&program)?;
    ensure!(link.info()?.cookie == since(6, 17, COOKIE)?);
    let before = sum.read()?;
    call_test_functions()?;
    ensure!(sum.read()? == before + COOKIE, "{:x}", sum.read()?);
    ensure_error!(
        to.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    Ok(())
}

fn tracing_without_cookie(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fentry)
            .cookie(COOKIE)
            .attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn tracing_extension(_sandbox: &Sandbox) -> Result<()> {
    let (replaced, counter) = (CounterMap::new()?, CounterMap::new()?);
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let load = || target.extension().counting(&counter).passing();

    let extension = load()?;
    for to in [
        TracingAttach::extension(),
        TracingAttach::extension_of(&target, function),
    ] {
        let link = to.attach(&extension)?;
        let info = link.info()?;
        ensure!(info.target_btf_id == since(5, 13, function)?);
        ensure!(info.target_obj_id == since(5, 13, target.id()?)?);
        ensure!(counts(&counter, || target.run())?);
        drop(link);
        ensure!(!counts(&counter, || target.run())?);
    }
    // Once it was attached, the target has to be named.
    let before_6_1 = Need::Before(6, 1).missing()?.is_none();
    ensure_error!(
        TracingAttach::extension().attach(&extension),
        Error::Link(bpf_link::Error::Command(_)),
        Some(if before_6_1 {
            libc::ENOENT
        } else {
            libc::EINVAL
        })
    );
    let other = Replaceable::new(&replaced)?;
    let _link = TracingAttach::extension_of(&other, function).attach(&load()?)?;
    ensure!(counts(&counter, || other.run())?);
    ensure_error!(
        TracingAttach::extension_of(&other, function).attach(&load()?),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY)
    );
    Ok(())
}

fn tracing_multi(_sandbox: &Sandbox) -> Result<()> {
    let functions = ["bpf_fentry_test3", "bpf_fentry_test1", "bpf_fentry_test2"];
    let ids: Vec<_> = functions
        .iter()
        .map(|name| function_id(name))
        .collect::<Result<_>>()?;
    for (hook, when, attach_type, runs) in [
        (
            Hook::FENTRY_MULTI,
            When::Entry,
            AttachType::TraceFentryMulti,
            1,
        ),
        (
            Hook::FEXIT_MULTI,
            When::Return,
            AttachType::TraceFexitMulti,
            1,
        ),
    ] {
        let sum = CounterMap::new()?;
        let program = Loader::new(hook)
            .in_this_process()
            .adding_cookies(&sum)
            .passing()?;
        let to = TracingMultiAttach::to(when, &ids);
        let link = to.cookies(&[2, 30, 400]).attach(&program)?;
        ensure!(link.as_raw().kind()? == LinkKind::TracingMulti);
        let before = sum.read()?;
        call_test_functions()?;
        ensure!(sum.read()? == before + 432 * runs, "{}", sum.read()?);
        let info = link.info()?;
        ensure!(info.count == since(7, 3, 3)?, "{info:?}");
        ensure!(info.attach_type == since(7, 3, attach_type)?, "{info:?}");
        ensure_error!(
            to.attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBUSY)
        );
        drop(link);
        let before = sum.read()?;
        call_test_functions()?;
        ensure!(sum.read()? == before);
        ensure_error!(
            to.cookies(&[1]).attach(&program),
            Error::Link(bpf_link::Error::LengthMismatch { .. }),
            None
        );
        ensure_error!(
            TracingMultiAttach::to(when, &[]).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}
