//! Tracepoints, functions of the kernel and of programs, and security hooks.

use std::ffi::CStr;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use bpf_link_sys::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE;
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Replaceable, Sandbox, sys};
use bpf_link_typed::{
    AttachType, BtfTypeId, RawTracepointAttach, TracingAttach, TracingHook, TracingMultiAttach,
    When,
};
use serde_json::json;

use super::SubKind;
use crate::functions::test::{
    CHANGEABLE, FUNCTION, FUNCTIONS, ask_for_a_process_group, call_test_functions, function_id,
};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

/// `bpf_get_attach_cookie` for tracepoints, since Linux 6.10.
const COOKIE_OF_TRACEPOINT: Need = Need::Linux(6, 10);
/// And for tracing programs, since Linux 5.19.
const COOKIE_OF_TRACING: Need = Need::Linux(5, 19);

pub(crate) const TESTS: &[Test] = &[
    test!(entry).needs(Need::TRACING),
    test!(entry_of_a_program).needs(Need::TRACING),
    test!(entry_of_many).needs(Need::TRACING_MULTI),
    test!(exit).needs(Need::TRACING),
    test!(exit_of_a_program).needs(Need::TRACING),
    test!(exit_of_many).needs(Need::TRACING_MULTI),
    test!(extension).needs(Need::TRACING),
    test!(raw_tracepoint),
    test!(security_hook)
        .needs(Need::LSM)
        .also_needs(&[Need::SecurityModule("bpf")]),
    test!(session)
        .needs(Need::TRACING)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION")]),
    test!(session_of_many).needs(Need::TRACING_MULTI),
    test!(typed_tracepoint),
    test!(value_returned).needs(Need::TRACING),
    test!(writable_tracepoint),
];

const COOKIE: u64 = 0xfedc_ba98_7654_3210;

/// The cookie that is given, where this kernel has any.
fn cookie(need: Need) -> Result<Option<u64>> {
    Ok(need.missing()?.is_none().then_some(COOKIE))
}

fn tracepoint(
    sandbox: &Sandbox,
    (hook, name): (Hook, Option<&CStr>),
    tracepoint: &str,
    event: fn() -> Result<()>,
) -> Result<()> {
    let load = || {
        let loader = Loader::new(hook).in_this_process();
        match name {
            Some(_) => Counting::loaded(loader),
            None => Counting::loaded(loader.tracepoint(tracepoint)?),
        }
    };
    let cookie = cookie(COOKIE_OF_TRACEPOINT)?;
    let to = name.map_or_else(
        RawTracepointAttach::to_load_time_target,
        RawTracepointAttach::to,
    );
    let to = cookie.map_or(to, |cookie| to.cookie(cookie));
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| Ok(json!({ "name": tracepoint, "cookie": cookie })),
        event: &|_| event(),
    }
    .check()
}

fn make_a_system_call() {
    let _parent = rustix::process::getppid();
}

fn raw_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::RAW_TRACEPOINT, Some(c"sys_enter"));
    tracepoint(sandbox, sort, "sys_enter", || {
        make_a_system_call();
        Ok(())
    })
}

fn typed_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::TYPED_RAW_TRACEPOINT, None);
    tracepoint(sandbox, sort, "sys_enter", || {
        make_a_system_call();
        Ok(())
    })
}

/// Running a program for tests passes the one tracepoint that every kernel has for programs that write.
fn writable_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let hook = Hook::new(BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, 0);
    let sort = (hook, Some(c"bpf_test_finish"));
    tracepoint(sandbox, sort, "bpf_test_finish", || {
        let program = Program::passing(Hook::XDP)?;
        sys::prog_test_run(program.as_fd(), &[0; 64])?;
        Ok(())
    })
}

fn function(
    sandbox: &Sandbox,
    (hook, of): (Hook, TracingHook),
    name: &str,
    event: fn() -> Result<()>,
) -> Result<()> {
    let load = || Counting::loaded(Loader::new(hook).function(name)?.in_this_process());
    let (id, cookie) = (function_id(name)?, cookie(COOKIE_OF_TRACING)?);
    let to = TracingAttach::to(of);
    let to = cookie.map_or(to, |cookie| to.cookie(cookie));
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|program| {
            let kernel = sys::prog_info(program.as_fd())?.attach_btf_obj_id;
            Ok(json!({
                "attach_type": of.attach_type(), "target_obj_id": kernel, "target_btf_id": id, "cookie": cookie,
            }))
        },
        event: &|_| event(),
    }
    .check()
}

fn entry(sandbox: &Sandbox) -> Result<()> {
    function(
        sandbox,
        (Hook::FENTRY, TracingHook::Fentry),
        FUNCTION,
        call_test_functions,
    )
}

fn exit(sandbox: &Sandbox) -> Result<()> {
    function(
        sandbox,
        (Hook::FEXIT, TracingHook::Fexit),
        FUNCTION,
        call_test_functions,
    )
}

fn session(sandbox: &Sandbox) -> Result<()> {
    function(
        sandbox,
        (Hook::FSESSION, TracingHook::Fsession),
        FUNCTION,
        call_test_functions,
    )
}

fn value_returned(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::MODIFY_RETURN, TracingHook::ModifyReturn);
    function(sandbox, sort, CHANGEABLE, ask_for_a_process_group)
}

fn security_hook(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::LSM, TracingHook::LsmMac);
    function(
        sandbox,
        sort,
        "bpf_lsm_task_getpgid",
        ask_for_a_process_group,
    )
}

/// The target is a program, which the info does not tell from the kernel.
fn of_a_program(sandbox: &Sandbox, (hook, of): (Hook, TracingHook)) -> Result<()> {
    let runs = CounterMap::new()?;
    let target = Replaceable::new(&runs)?;
    let load = || Counting::loaded(target.tracer(hook));
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| Ok(TracingAttach::to(of).attach(program)?.into()),
        info: &|_| {
            Ok(json!({
                "attach_type": of.attach_type(), "target_obj_id": target.id()?,
                "target_btf_id": Replaceable::FUNCTION, "cookie": 0,
            }))
        },
        event: &|_| target.run(),
    }
    .check()
}

fn entry_of_a_program(sandbox: &Sandbox) -> Result<()> {
    of_a_program(sandbox, (Hook::FENTRY, TracingHook::Fentry))
}

fn exit_of_a_program(sandbox: &Sandbox) -> Result<()> {
    of_a_program(sandbox, (Hook::FEXIT, TracingHook::Fexit))
}

fn extension(sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let to = TracingAttach::extension_of(&target, function);
    SubKind {
        sandbox,
        programs: [
            Counting::loaded(target.extension())?,
            Counting::loaded(target.extension())?,
        ],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            Ok(json!({
                "attach_type": AttachType::from_raw(0), "target_obj_id": target.id()?,
                "target_btf_id": function, "cookie": 0,
            }))
        },
        event: &|_| target.run(),
    }
    .check()
}

fn many(
    sandbox: &Sandbox,
    (hook, when, attach_type): (Hook, When, AttachType),
    runs_to_a_function: u64,
) -> Result<()> {
    const COOKIES: [u64; 3] = [COOKIE, 0, u64::MAX];
    let ids = FUNCTIONS.map(function_id);
    let ids: Vec<BtfTypeId> = ids.into_iter().collect::<Result<_>>()?;
    let mut sorted: Vec<(u32, u64)> = ids.iter().map(|id| id.get()).zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u32>, Vec<u64>) = sorted.into_iter().unzip();
    let load = || Counting::loaded(Loader::new(hook).in_this_process());
    let to = TracingMultiAttach::to(when, &ids).cookies(&COOKIES);
    // Each function is called once.
    let one = load()?;
    let link = to.attach(&one)?;
    call_test_functions()?;
    let runs = one.count()?;
    anyhow::ensure!(runs == 3 * runs_to_a_function, "it has run {runs} times");
    let addresses = link.info()?.addresses;
    drop(link);
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| {
            let caller = Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?;
            let kernel = sys::prog_info(caller.as_fd())?.attach_btf_obj_id;
            Ok(json!({
                "attach_type": attach_type, "btf_obj_id": kernel, "count": 3,
                "ids": sorted, "addresses": addresses, "cookies": cookies,
            }))
        },
        event: &|_| call_test_functions(),
    }
    .check()
}

fn entry_of_many(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFentryMulti;
    many(sandbox, (Hook::FENTRY_MULTI, When::Entry, attach_type), 1)
}

fn exit_of_many(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFexitMulti;
    many(sandbox, (Hook::FEXIT_MULTI, When::Return, attach_type), 1)
}

/// It runs on entry and on exit.
fn session_of_many(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFsessionMulti;
    many(
        sandbox,
        (Hook::FSESSION_MULTI, When::Session, attach_type),
        2,
    )
}
