//! `raw_tracepoint` links through their type: attaching, info, and what is refused.

use anyhow::{Result, ensure};
use bpf_link::{RawLink, RawTracepointOpen};
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox};
use bpf_link_typed::{Error, InfoBuf, RawTracepointAttach, RawTracepointLink};

use crate::fixture::attaching::{
    COOKIE, counting, counts, ensure_error, id_of, since, stops, switch,
};
use crate::fixture::chain::check;
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

/// Cookies of raw tracepoints, since Linux 6.10.
const COOKIES_OF_RAW_TRACEPOINTS: &[Need] = &[Need::Linux(6, 10)];

has_no! { RawTracepointLink: update, replace, detach, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach),
    test!(cookie).needs(COOKIES_OF_RAW_TRACEPOINTS),
    test!(without_cookie).needs(&[Need::Before(6, 10)]),
    test!(with_types),
    test!(more_errors),
    test!(errors_of_another_kind).needs(Need::TRACING),
    test!(info),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::RAW_TRACEPOINT)?;
    let to = RawTracepointAttach::to(c"sched_switch");
    let link = to.attach(&program)?;
    let info = link.info()?;
    ensure!(info.name.as_deref() == Some(c"sched_switch"));
    ensure!(info.program_id == id_of(&program)?);
    ensure!(counts(&counter, switch)?);
    if Need::Before(6, 10).missing()?.is_none() {
        ensure_error!(
            to.attach(&program),
            Error::AlreadyAttached(_),
            Some(libc::EEXIST),
            &["tracepoint sched_switch"]
        );
    }
    let refused = RawTracepointAttach::to(c"no_such").attach(&program);
    ensure!(matches!(
        &refused,
        Err(Error::NoSuchTracepoint { tracepoint, .. }) if tracepoint == "no_such"
    ));
    ensure_error!(
        refused,
        Error::NoSuchTracepoint { .. },
        Some(libc::ENOENT),
        &["tracepoint no_such"]
    );
    let long = std::ffi::CString::new([b'n'; 128])?;
    ensure_error!(
        RawTracepointAttach::to(&long).attach(&program),
        Error::Link(bpf_link::Error::InvalidRequest(_)),
        None,
        &[long.to_str()?]
    );
    ensure_error!(
        RawTracepointAttach::to_load_time_target().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EFAULT),
        &["the program's own target"]
    );
    drop(link);
    stops(&counter, switch)?;
    Ok(())
}

fn cookie(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::RAW_TRACEPOINT)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let to = RawTracepointAttach::to(c"sched_switch").cookie(COOKIE);
    let link = to.attach(&program)?;
    ensure!(link.info()?.cookie == since(6, 17, COOKIE)?);
    ensure!(counts(&sum, switch)?);
    Ok(())
}

fn without_cookie(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    ensure_error!(
        RawTracepointAttach::to(c"sched_switch")
            .cookie(COOKIE)
            .attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &["tracepoint sched_switch"]
    );
    Ok(())
}

fn with_types(_sandbox: &Sandbox) -> Result<()> {
    let counter = CounterMap::new()?;
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .counting(&counter)
        .passing()?;
    let to = RawTracepointAttach::to_load_time_target();
    let link = to.attach(&program)?;
    ensure!(link.info()?.name.as_deref() == Some(c"sched_switch"));
    ensure!(counts(&counter, switch)?);
    drop(link);
    if Need::Linux(5, 19).missing()?.is_none() {
        let link = to.cookie(COOKIE).attach(&program)?;
        ensure!(link.info()?.cookie == since(6, 17, COOKIE)?);
    }
    Ok(())
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let to = RawTracepointAttach::to(c"sys_enter");
    // It uses the twelfth argument.
    let greedy = Loader::new(Hook::RAW_TRACEPOINT).running(&[
        asm::load(Register::R2, Register::R1, 11 * 8),
        asm::set(Register::R0, 0),
        asm::exit(),
    ])?;
    ensure_error!(
        to.attach(&greedy),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["tracepoint sys_enter"]
    );
    ensure_error!(
        to.attach(&Program::passing(Hook::XDP)?),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["tracepoint sys_enter"]
    );
    Ok(())
}

fn errors_of_another_kind(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .passing()?;
    let refused = RawTracepointAttach::to_load_time_target().attach(&program);
    let Err(error @ Error::LoadedForAnotherKind { found, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(*found == bpf_link_typed::LinkKind::Tracing);
    let named = format!(
        "program {} ({}) of type tracing",
        program.id()?,
        program.name()?
    );
    check(error, &[&named, "of kind tracing, not raw_tracepoint"])?;
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let with_cookie = Need::Linux(6, 10).missing()?.is_none();
    let mut buf = InfoBuf::new();
    for cookie in [0, COOKIE] {
        let program = Program::passing(Hook::RAW_TRACEPOINT)?;
        let mut request = RawTracepointOpen::named(&program, c"sched_switch")?;
        if with_cookie {
            request = request.cookie(cookie);
        }
        let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.name == Some(c"sched_switch"), "{info:?}");
        ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
        ensure!(info.is_defunct() == Some(false));
        ensure!(info.into_owned() == link.info()?);
    }
    // A program with types makes the same kind.
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_process_fork")?
        .returning(0)?;
    let request = RawTracepointOpen::load_time_target(&program);
    let link = RawTracepointLink::try_from(RawLink::open_raw_tracepoint(&request)?)?;
    ensure!(link.info_in(&mut buf)?.name == Some(c"sched_process_fork"));
    Ok(())
}
