//! `raw_tracepoint` links: tracepoints, as raw and as typed programs see them.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::ffi::{CStr, CString};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, Command, Error, InfoBuffers, InvalidRequest, LinkCreate, LinkKind, RawLink,
    RawTracepointOpen, Target, TracingArgs,
};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox, eventually_holds};

use crate::fixture::chain::check_refusal;
use crate::fixture::{as_nobody, ensure_refused, refusal};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_name::{self, TooShort};

/// A cookie, since Linux 6.10.
const COOKIE: &[Need] = &[Need::Linux(6, 10)];
const NO_COOKIE: &[Need] = &[Need::Before(6, 10)];
/// `BPF_LINK_CREATE` for typed programs, since Linux 5.19.
const CREATE: &[Need] = &[Need::Linux(5, 19)];
const NO_CREATE: &[Need] = &[Need::Before(5, 19)];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::RawTracepoint,
    &[],
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms),
    test!(conforms_with_a_cookie).needs(COOKIE),
    test!(conforms_typed),
    test!(conforms_typed_and_created).needs(CREATE),
    test!(the_cookie_gets_to_the_program).needs(COOKIE),
    test!(before_there_was_a_cookie).needs(NO_COOKIE),
    test!(before_typed_ones_were_created).needs(NO_CREATE),
    test!(the_name_of_the_tracepoint),
    test!(a_tracepoint_that_is_not_there),
    test!(names_that_are_too_long),
    test!(a_name_too_much_or_too_few),
    test!(a_program_that_does_not_fit),
    test!(a_capability_is_missing).needs(NO_CREATE),
    test!(the_same_program_twice).needs(COOKIE),
    test!(once_the_same_program_twice).needs(NO_COOKIE),
];

/// The tracepoint of the entry of every system call.
const ENTRY: &CStr = c"sys_enter";
const COOKIE_GIVEN: u64 = 0x1122_3344_5566_7788;

fn make_a_system_call() {
    let _parent = rustix::process::getppid();
}

fn raw() -> Result<Counting> {
    Counting::loaded(Loader::new(Hook::RAW_TRACEPOINT).in_this_process())
}

fn typed_loader() -> Result<Loader<'static>> {
    Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .in_this_process()
        .tracepoint("sys_enter")
}

fn cookie(value: u64) -> Field {
    field!(raw_tracepoint.cookie, value)
}

fn check(
    sandbox: &Sandbox,
    load: impl Fn() -> Result<Counting>,
    fields: Vec<Field>,
    create: &dyn Fn(&Counting) -> bpf_link::Result<RawLink>,
) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::RawTracepoint,
        first: load()?,
        second: load()?,
        create,
        event: &|_| {
            make_a_system_call();
            Ok(())
        },
        fields,
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, raw, vec![cookie(0)], &|program| {
        RawLink::open_raw_tracepoint(&RawTracepointOpen::named(program, ENTRY)?)
    })
}

fn conforms_with_a_cookie(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, raw, vec![cookie(COOKIE_GIVEN)], &|program| {
        let open = RawTracepointOpen::named(program, ENTRY)?;
        RawLink::open_raw_tracepoint(&open.cookie(COOKIE_GIVEN))
    })
}

fn conforms_typed(sandbox: &Sandbox) -> Result<()> {
    let load = || Counting::loaded(typed_loader()?);
    check(sandbox, load, vec![cookie(0)], &|program| {
        RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(program))
    })
}

fn conforms_typed_and_created(sandbox: &Sandbox) -> Result<()> {
    let load = || Counting::loaded(typed_loader()?);
    check(sandbox, load, vec![cookie(COOKIE_GIVEN)], &|program| {
        let request = LinkCreate::new(program, AttachType::TraceRawTp);
        RawLink::create(&request.args(TracingArgs::new().cookie(COOKIE_GIVEN)))
    })
}

/// Which adds it up.
fn the_cookie_gets_to_the_program(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::RAW_TRACEPOINT)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let open = RawTracepointOpen::named(&program, ENTRY)?.cookie(COOKIE_GIVEN);
    let link = RawLink::open_raw_tracepoint(&open)?;
    // One call may be missed, if another process was preempted in the middle of a run.
    eventually_holds("a run", || {
        make_a_system_call();
        Ok(sum.read()? != 0)
    })?;
    drop(link);
    let sum = sum.read()?;
    // A few calls, of this thread, for each of which it was added once.
    let runs = (1..1_000_000).find(|&runs| COOKIE_GIVEN.wrapping_mul(runs) == sum);
    ensure!(runs.is_some(), "the cookies add up to {sum:#x}");
    Ok(())
}

fn before_there_was_a_cookie(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let open = RawTracepointOpen::named(&program, ENTRY)?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&open.cookie(COOKIE_GIVEN)),
        Error::UnsupportedByKernel(_),
        Some(libc::EINVAL)
    );
    // Nothing else is said to be unsupported; nor is a request without a cookie.
    let other = Program::passing(Hook::XDP)?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&RawTracepointOpen::named(&other, ENTRY)?),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    drop(RawLink::open_raw_tracepoint(&open.cookie(0))?);
    Ok(())
}

fn before_typed_ones_were_created(_sandbox: &Sandbox) -> Result<()> {
    let program = typed_loader()?.passing()?;
    let request = LinkCreate::new(&program, AttachType::TraceRawTp);
    for request in [request, request.args(TracingArgs::new().cookie(1))] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_) | Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    drop(RawLink::open_raw_tracepoint(
        &RawTracepointOpen::load_time_target(&program),
    )?);
    Ok(())
}

fn the_name_of_the_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let (raw, typed) = (
        Program::passing(Hook::RAW_TRACEPOINT)?,
        typed_loader()?.passing()?,
    );
    for (open, name) in [
        (RawTracepointOpen::named(&raw, ENTRY)?, "sys_enter"),
        (
            RawTracepointOpen::named(&raw, c"sched_process_exec")?,
            "sched_process_exec",
        ),
        (RawTracepointOpen::load_time_target(&typed), "sys_enter"),
    ] {
        let link = RawLink::open_raw_tracepoint(&open)?;
        lent_name::check(&link, name, TooShort::CutOff, |name| {
            InfoBuffers::RawTracepoint { name }
        })
        .context(name)?;
        ensure!(link.info()?.count().is_none());
    }
    Ok(())
}

fn a_tracepoint_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    for name in [c"no_such_tracepoint", c""] {
        let open = RawTracepointOpen::named(&program, name)?;
        let error = refusal(RawLink::open_raw_tracepoint(&open))?;
        ensure!(error.errno() == Some(libc::ENOENT), "{error:?}");
        let Error::Command(error) = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(error.command() == Command::RawTracepointOpen);
        ensure!(*error.target() == Target::Tracepoint(Some(name.to_owned())));
    }
    Ok(())
}

/// The kernel would cut them off, and so might find another.
fn names_that_are_too_long(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let longest = CString::new("x".repeat(127))?;
    let open = RawTracepointOpen::named(&program, &longest)?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&open),
        Error::Command(_),
        Some(libc::ENOENT)
    );
    let too_long = CString::new("x".repeat(128))?;
    let refused = RawTracepointOpen::named(&program, &too_long);
    let refused = check_refusal(refused, &[&"x".repeat(128)])?;
    let Error::InvalidRequest(InvalidRequest::TracepointName { name }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(*name == too_long);
    Ok(())
}

fn a_name_too_much_or_too_few(_sandbox: &Sandbox) -> Result<()> {
    let raw = Program::passing(Hook::RAW_TRACEPOINT)?;
    let error = refusal(RawLink::open_raw_tracepoint(
        &RawTracepointOpen::load_time_target(&raw),
    ))?;
    ensure!(error.errno() == Some(libc::EFAULT), "{error:?}");
    ensure!(error.to_string() == "BPF_RAW_TRACEPOINT_OPEN on the program's own target failed");
    let typed = typed_loader()?.passing()?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&RawTracepointOpen::named(&typed, ENTRY)?),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let xdp = Program::passing(Hook::XDP)?;
    let file = std::fs::File::open("/proc/self/comm")?;
    for open in [
        RawTracepointOpen::named(&xdp, ENTRY)?,
        RawTracepointOpen::load_time_target(&xdp),
        RawTracepointOpen::named(&file, ENTRY)?,
    ] {
        ensure_refused!(
            RawLink::open_raw_tracepoint(&open),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    // A raw program has no other way than this one.
    let raw = Program::passing(Hook::RAW_TRACEPOINT)?;
    ensure_refused!(
        RawLink::create(&LinkCreate::new(&raw, AttachType::TraceRawTp)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn a_capability_is_missing(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    as_nobody(|| {
        ensure_refused!(
            RawLink::open_raw_tracepoint(&RawTracepointOpen::named(&program, ENTRY)?),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}

fn the_same_program_twice(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let open = RawTracepointOpen::named(&program, ENTRY)?;
    let (first, second) = (
        RawLink::open_raw_tracepoint(&open)?,
        RawLink::open_raw_tracepoint(&open)?,
    );
    ensure!(first.id()? != second.id()?);
    Ok(())
}

fn once_the_same_program_twice(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let open = RawTracepointOpen::named(&program, ENTRY)?;
    let _first = RawLink::open_raw_tracepoint(&open)?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&open),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    // Elsewhere it is not yet.
    drop(RawLink::open_raw_tracepoint(&RawTracepointOpen::named(
        &program,
        c"sys_exit",
    )?)?);
    Ok(())
}
