//! Every sort of `tracing_multi` link, attached through its type with every option that it has.

use std::os::fd::AsFd as _;

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox, sys};
use bpf_link_typed::{AttachType, BtfTypeId, TracingMultiAttach, attach::When};
use serde_json::json;

use crate::functions::test::{FUNCTION, FUNCTIONS, call_test_functions, function_id};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{COOKIE, SubKind};

pub(crate) const TESTS: &[Test] = &[
    test!(entry).needs(Need::TRACING_MULTI),
    test!(exit).needs(Need::TRACING_MULTI),
    test!(session).needs(Need::TRACING_MULTI),
];

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

fn entry(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFentryMulti;
    many(sandbox, (Hook::FENTRY_MULTI, When::Entry, attach_type), 1)
}

fn exit(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFexitMulti;
    many(sandbox, (Hook::FEXIT_MULTI, When::Return, attach_type), 1)
}

/// It runs on entry and on exit.
fn session(sandbox: &Sandbox) -> Result<()> {
    let attach_type = AttachType::TraceFsessionMulti;
    many(
        sandbox,
        (Hook::FSESSION_MULTI, When::Session, attach_type),
        2,
    )
}
