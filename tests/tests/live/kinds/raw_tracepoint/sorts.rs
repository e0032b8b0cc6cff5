//! Every sort of `raw_tracepoint` link, attached through its type with every option that it has.

use std::ffi::CStr;
use std::os::fd::AsFd as _;

use anyhow::Result;
use bpf_link_sys::BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE;
use bpf_link_tests::{Hook, Loader, Program, Sandbox, sys};
use bpf_link_typed::RawTracepointAttach;
use serde_json::json;

use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{SubKind, cookie};

/// `bpf_get_attach_cookie` for tracepoints, since Linux 6.10.
const COOKIE_OF_TRACEPOINT: Need = Need::Linux(6, 10);

pub(crate) const TESTS: &[Test] = &[
    test!(raw_tracepoint),
    test!(typed_tracepoint),
    test!(writable_tracepoint),
];

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
    let to = match cookie {
        Some(cookie) => to.cookie(cookie),
        None => to,
    };
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

/// Running a program for tests passes the one tracepoint that every kernel has for programs that
/// write.
fn writable_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let hook = Hook::new(BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, 0);
    let sort = (hook, Some(c"bpf_test_finish"));
    tracepoint(sandbox, sort, "bpf_test_finish", || {
        let program = Program::passing(Hook::XDP)?;
        sys::prog_test_run(program.as_fd(), &[0; 64])?;
        Ok(())
    })
}
