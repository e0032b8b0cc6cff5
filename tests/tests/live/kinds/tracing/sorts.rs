//! Every sort of tracing link, attached through its type with every option that it has.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use bpf_link_tests::{CounterMap, Hook, Loader, Replaceable, Sandbox, sys};
use bpf_link_typed::{AttachType, BtfTypeId, TracingAttach, TracingHook};
use serde_json::json;

use crate::functions::test::{
    CHANGEABLE, FUNCTION, ask_for_a_process_group, call_test_functions, function_id,
};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{SubKind, cookie};

/// And for tracing programs, since Linux 5.19.
const COOKIE_OF_TRACING: Need = Need::Linux(5, 19);

pub(crate) const TESTS: &[Test] = &[
    test!(entry).needs(Need::TRACING),
    test!(entry_of_a_program).needs(Need::TRACING),
    test!(exit).needs(Need::TRACING),
    test!(exit_of_a_program).needs(Need::TRACING),
    test!(extension).needs(Need::TRACING),
    test!(security_hook)
        .needs(Need::LSM)
        .also_needs(&[Need::SecurityModule("bpf")]),
    test!(session)
        .needs(Need::TRACING)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION")]),
    test!(value_returned).needs(Need::TRACING),
];

fn function(
    sandbox: &Sandbox,
    (hook, of): (Hook, TracingHook),
    name: &str,
    event: fn() -> Result<()>,
) -> Result<()> {
    let load = || Counting::loaded(Loader::new(hook).function(name)?.in_this_process());
    let (id, cookie) = (function_id(name)?, cookie(COOKIE_OF_TRACING)?);
    let to = TracingAttach::to(of);
    let to = match cookie {
        Some(cookie) => to.cookie(cookie),
        None => to,
    };
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
