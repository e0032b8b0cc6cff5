//! tracing links: the entry and exit of kernel functions, security hooks, and extensions of
//! programs.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, BtfTypeId, Error, LinkCreate, LinkKind, RawLink, RawTracepointOpen, TracingArgs,
};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Replaceable, Sandbox, sys};

use crate::fixture::ensure_refused;
use crate::functions::test::{CHANGEABLE, Caller, FUNCTION, ask_for_a_process_group, function_id};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;

/// `BPF_LINK_CREATE` for all but extensions, since Linux 5.19.
const CREATE: &[Need] = &[Need::Trampoline, Need::Linux(5, 19)];
const NO_CREATE: &[Need] = &[Need::Trampoline, Need::Before(5, 19)];
/// The entry and the exit, since Linux 7.0.
const SESSION: &[Need] = &[
    Need::Trampoline,
    Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION"),
];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Tracing,
    Need::TRACING,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
)
// Before, a tracing program is attached only once.
.soaks_with(&[Need::Linux(5, 19)]);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::TRACING),
    test!(conforms_on_exit).needs(Need::TRACING),
    test!(conforms_on_the_value_returned).needs(Need::TRACING),
    test!(conforms_on_a_program).needs(Need::TRACING),
    test!(conforms_as_session).needs(SESSION),
    test!(conforms_created).needs(CREATE),
    test!(conforms_as_security_hook)
        .needs(Need::LSM)
        .also_needs(&[Need::SecurityModule("bpf")]),
    test!(conforms_as_extension).needs(Need::TRACING),
    test!(an_extension_at_the_place_it_was_loaded_for).needs(Need::TRACING),
    test!(an_extension_of_another_program).needs(Need::TRACING),
    test!(extensions_that_do_not_go).needs(Need::TRACING),
    test!(the_program_extended_is_descriptor_zero).needs(Need::TRACING),
    test!(the_cookie_gets_to_the_program).needs(CREATE),
    test!(targets_that_do_not_go).needs(CREATE),
    test!(the_same_program_twice).needs(CREATE),
    test!(once_the_same_program_twice).needs(NO_CREATE),
    test!(a_name_too_much).needs(Need::TRACING),
    test!(before_they_were_created).needs(NO_CREATE),
];

const COOKIE: u64 = 0x0102_0304_0506_0708;

fn load(hook: Hook, function: &str) -> Result<Counting> {
    Counting::loaded(Loader::new(hook).function(function)?.in_this_process())
}

/// The fields of a link on a function of the kernel. `program` is one like the link's.
fn fields(
    attach_type: AttachType,
    function: &str,
    cookie: u64,
    program: &Counting,
) -> Result<Vec<Field>> {
    let btf = sys::prog_info(program.as_fd())?.attach_btf_obj_id;
    Ok(vec![
        field!(tracing.attach_type, attach_type.as_raw()),
        field!(tracing.target_obj_id, btf),
        field!(tracing.target_btf_id, function_id(function)?.get()),
        field!(tracing.cookie, cookie),
    ])
}

/// On a function that running a program of this hook calls.
fn conforms_on(
    sandbox: &Sandbox,
    (hook, attach_type, function): (Hook, AttachType, &str),
    cookie: u64,
    create: &dyn Fn(&Counting) -> bpf_link::Result<RawLink>,
) -> Result<()> {
    let caller = Caller::new()?;
    let first = load(hook, function)?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tracing,
        fields: fields(attach_type, function, cookie, &first)?,
        first,
        second: load(hook, function)?,
        create,
        event: &|_| caller.call(),
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn open(program: &Counting) -> bpf_link::Result<RawLink> {
    RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(program))
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let entry = (Hook::FENTRY, AttachType::TraceFentry, FUNCTION);
    conforms_on(sandbox, entry, 0, &open)
}

fn conforms_on_exit(sandbox: &Sandbox) -> Result<()> {
    let exit = (Hook::FEXIT, AttachType::TraceFexit, FUNCTION);
    conforms_on(sandbox, exit, 0, &open)
}

/// Only few functions may have their value changed, those of security among them.
fn conforms_on_the_value_returned(sandbox: &Sandbox) -> Result<()> {
    let function = CHANGEABLE;
    let first = load(Hook::MODIFY_RETURN, function)?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tracing,
        fields: fields(AttachType::ModifyReturn, function, 0, &first)?,
        first,
        second: load(Hook::MODIFY_RETURN, function)?,
        create: &open,
        event: &|_| ask_for_a_process_group(),
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms_as_session(sandbox: &Sandbox) -> Result<()> {
    let session = (Hook::FSESSION, AttachType::TraceFsession, FUNCTION);
    conforms_on(sandbox, session, 0, &open)
}

fn conforms_created(sandbox: &Sandbox) -> Result<()> {
    let entry = (Hook::FENTRY, AttachType::TraceFentry, FUNCTION);
    conforms_on(sandbox, entry, COOKIE, &|program| {
        let request = LinkCreate::new(program, AttachType::TraceFentry);
        RawLink::create(&request.args(TracingArgs::new().cookie(COOKIE)))
    })
}

fn conforms_as_security_hook(sandbox: &Sandbox) -> Result<()> {
    let function = "bpf_lsm_task_getpgid";
    let first = load(Hook::LSM, function)?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tracing,
        fields: fields(AttachType::LsmMac, function, 0, &first)?,
        first,
        second: load(Hook::LSM, function)?,
        create: &open,
        event: &|_| ask_for_a_process_group(),
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

/// On the oldest kernels an extension goes with attach type 0 only.
const EXTENSION: AttachType = AttachType::CgroupInetIngress;

fn function_of_target() -> Result<TracingArgs> {
    let id = BtfTypeId::new(Replaceable::FUNCTION).context("the id is 0")?;
    Ok(TracingArgs::new().target_btf_id(id))
}

/// The fields of a link of an extension of this program.
fn fields_of_extension(target: &Replaceable) -> Result<[Field; 3]> {
    Ok([
        field!(tracing.attach_type, EXTENSION.as_raw()),
        field!(tracing.target_obj_id, target.id()?),
        field!(tracing.target_btf_id, Replaceable::FUNCTION),
    ])
}

/// What is attached here runs in place of the program.
fn conforms_as_extension(sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let args = function_of_target()?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tracing,
        first: Counting::loaded(target.extension())?,
        second: Counting::loaded(target.extension())?,
        create: &|program| {
            let request = LinkCreate::new(program, EXTENSION).target_fd(&target);
            RawLink::create(&request.args(args))
        },
        event: &|_| target.run(),
        fields: fields_of_extension(&target)?.into(),
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })?;
    // With all links gone, it is itself again.
    let before = replaced.read()?;
    target.run()?;
    ensure!(replaced.read()? == before + 1);
    Ok(())
}

/// Not only the kernel has functions; and the target is a program then, although the attach type
/// says nothing of it.
fn conforms_on_a_program(sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let target = Replaceable::new(&counter)?;
    let load = || Counting::loaded(target.tracer(Hook::FENTRY));
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Tracing,
        first: load()?,
        second: load()?,
        create: &open,
        event: &|_| target.run(),
        fields: vec![
            field!(tracing.attach_type, AttachType::TraceFentry.as_raw()),
            field!(tracing.target_obj_id, target.id()?),
            field!(tracing.target_btf_id, Replaceable::FUNCTION),
        ],
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })?;
    ensure!(counter.read()? > 0, "the program itself has not run");
    Ok(())
}

fn an_extension_at_the_place_it_was_loaded_for(_sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let extension = Counting::loaded(target.extension())?;
    let link = open(&extension)?;
    for field in fields_of_extension(&target)? {
        field.check(&link.info()?)?;
    }
    ensure!(extension.runs(|| target.run())?);
    ensure!(replaced.read()? == 0, "the program has run as well");
    drop(link);
    extension.stops(|| target.run())?;
    ensure!(replaced.read()? == 1, "what it replaced runs again");
    Ok(())
}

fn an_extension_of_another_program(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let (target, other) = (Replaceable::new(&counter)?, Replaceable::new(&counter)?);
    let extension = Counting::loaded(target.extension())?;
    let request = LinkCreate::new(&extension, EXTENSION).target_fd(&other);
    let link = RawLink::create(&request.args(function_of_target()?))?;
    for field in fields_of_extension(&other)? {
        field.check(&link.info()?)?;
    }
    ensure!(!extension.runs(|| target.run())?);
    ensure!(extension.runs(|| other.run())?);
    Ok(())
}

fn extensions_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let target = Replaceable::new(&counter)?;
    let extension = target.extension().passing()?;
    let request = LinkCreate::new(&extension, EXTENSION);
    let args = function_of_target()?;
    let no_function = TracingArgs::new().target_btf_id(BtfTypeId::new(1).context("0")?);
    let undescribed = Program::passing(Hook::XDP)?;
    let file = std::fs::File::open("/proc/self/comm")?;
    for request in [
        // The one without the other.
        request.target_fd(&target),
        request.args(args),
        request.target_fd(&file).args(args),
        request.target_fd(&undescribed).args(args),
        request.target_fd(&target).args(no_function),
    ] {
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    // One extension to a function.
    let _link = RawLink::create(&request.target_fd(&target).args(args))?;
    let second = target.extension().passing()?;
    let request = LinkCreate::new(&second, EXTENSION).target_fd(&target);
    ensure_refused!(
        RawLink::create(&request.args(args)),
        Error::Command(_),
        Some(libc::EBUSY)
    );
    Ok(())
}

fn the_program_extended_is_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let target = Replaceable::new(&counter)?;
    let extension = Counting::loaded(target.extension())?;
    let link = descriptor_zero::with(&target, |zero| {
        let request = LinkCreate::new(&extension, EXTENSION).target_fd(&zero);
        Ok(RawLink::create(&request.args(function_of_target()?))?)
    })?;
    for field in fields_of_extension(&target)? {
        field.check(&link.info()?)?;
    }
    ensure!(extension.runs(|| target.run())?);
    Ok(())
}

fn the_cookie_gets_to_the_program(_sandbox: &Sandbox) -> Result<()> {
    let caller = Caller::new()?;
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::FENTRY)
        .function(FUNCTION)?
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let request = LinkCreate::new(&program, AttachType::TraceFentry);
    let _link = RawLink::create(&request.args(TracingArgs::new().cookie(COOKIE)))?;
    caller.call()?;
    ensure!(sum.read()? == COOKIE, "the cookie was {:#x}", sum.read()?);
    Ok(())
}

fn targets_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let target = Replaceable::new(&counter)?;
    let program = Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?;
    let request = LinkCreate::new(&program, AttachType::TraceFentry);
    let args = function_of_target()?;
    for request in [
        // Only an extension has another target than the one that it was loaded for.
        request.target_fd(&target).args(args),
        request.target_fd(&target),
        request.args(args),
        // Another attach type than the one that it was loaded for.
        LinkCreate::new(&program, AttachType::TraceFexit),
        LinkCreate::new(&program, AttachType::LsmMac),
    ] {
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn the_same_program_twice(_sandbox: &Sandbox) -> Result<()> {
    let program = load(Hook::FENTRY, FUNCTION)?;
    let link = open(&program)?;
    ensure_refused!(open(&program), Error::Command(_), Some(libc::EBUSY));
    drop(link);
    drop(open(&program)?);

    // Of an extension the kernel forgets for what it was loaded.
    let counter = CounterMap::new()?;
    let target = Replaceable::new(&counter)?;
    let extension = Counting::loaded(target.extension())?;
    drop(open(&extension)?);
    ensure_refused!(open(&extension), Error::Command(_), Some(libc::EINVAL));
    let request = LinkCreate::new(&extension, EXTENSION).target_fd(&target);
    drop(RawLink::create(&request.args(function_of_target()?))?);
    Ok(())
}

/// Such a kernel attaches a program once.
fn once_the_same_program_twice(_sandbox: &Sandbox) -> Result<()> {
    let program = load(Hook::FENTRY, FUNCTION)?;
    let link = open(&program)?;
    ensure_refused!(open(&program), Error::Command(_), Some(libc::ENOENT));
    drop(link);
    ensure_refused!(open(&program), Error::Command(_), Some(libc::ENOENT));
    Ok(())
}

fn a_name_too_much(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?;
    ensure_refused!(
        RawLink::open_raw_tracepoint(&RawTracepointOpen::named(&program, c"sys_enter")?),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn before_they_were_created(_sandbox: &Sandbox) -> Result<()> {
    let program = load(Hook::FENTRY, FUNCTION)?;
    let request = LinkCreate::new(&program, AttachType::TraceFentry);
    for request in [request, request.args(TracingArgs::new().cookie(COOKIE))] {
        ensure_refused!(
            RawLink::create(&request),
            Error::UnsupportedByKernel(_) | Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    drop(open(&program)?);
    Ok(())
}
