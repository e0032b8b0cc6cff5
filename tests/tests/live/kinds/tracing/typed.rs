//! tracing links through their type: attaching, info, and what is refused.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkCreate, RawLink, RawTracepointOpen, TracingArgs};
use bpf_link_tests::{CounterMap, Hook, KernelBtf, Loader, Program, Replaceable, Sandbox};
use bpf_link_typed::ensure::Outcome;
use bpf_link_typed::{
    Attach as _, AttachType, BtfOf, BtfTypeId, Error, TracingAttach, TracingHook, TracingLink,
};

use crate::ensure::places::is_linux;
use crate::fixture::as_nobody;
use crate::fixture::attaching::{COOKIE, counts, ensure_error, id_of, only_a_path, since, stops};
use crate::fixture::chain::{check, check_refusal};
use crate::functions::test::{
    CHANGEABLE, FUNCTION, ask_for_a_process_group, call_test_functions, function_id,
};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

/// Cookies of tracing programs, since Linux 5.19.
const COOKIES_ARE_TAKEN: &[Need] = &[Need::Linux(5, 19)];

has_no! { TracingLink: update, replace, detach, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::TRACING),
    test!(cookie)
        .needs(Need::TRACING)
        .also_needs(COOKIES_ARE_TAKEN),
    test!(without_cookie)
        .needs(Need::TRACING)
        .also_needs(&[Need::Before(5, 19)]),
    test!(extension).needs(Need::TRACING),
    test!(functions_of_a_program).needs(Need::TRACING),
    test!(an_ambiguous_function),
    test!(as_loaded).needs(Need::TRACING),
    test!(as_loaded_with_a_cookie)
        .needs(Need::TRACING)
        .also_needs(COOKIES_ARE_TAKEN),
    test!(more_errors).needs(Need::TRACING),
    test!(info).needs(Need::TRACING),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
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
        stops(&counter, event).with_context(|| format!("{of:?}"))?;
    }
    // The hook that is asked for is the program's.
    let program = Loader::new(Hook::FEXIT).function(FUNCTION)?.passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fentry).attach(&program),
        Error::AttachTypeMismatch { .. } | Error::ProgramRefused { .. },
        Some(libc::EINVAL),
        &["hook trace_fentry"]
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

fn cookie(_sandbox: &Sandbox) -> Result<()> {
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
        Error::AlreadyAttached(_),
        Some(libc::EBUSY),
        &["hook trace_fentry"]
    );
    Ok(())
}

fn without_cookie(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?;
    ensure_error!(
        TracingAttach::to(TracingHook::Fentry)
            .cookie(COOKIE)
            .attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &["hook trace_fentry"]
    );
    Ok(())
}

fn extension(_sandbox: &Sandbox) -> Result<()> {
    let (replaced, counter) = (CounterMap::new()?, CounterMap::new()?);
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let load = || target.extension().counting(&counter).passing();

    let (extension, as_loaded) = (load()?, load()?);
    for (to, extension) in [
        (TracingAttach::extension(), &extension),
        (TracingAttach::extension_of(&target, function), &extension),
        (
            TracingAttach::extension_of(&target, "replaceable"),
            &extension,
        ),
        (TracingAttach::as_loaded(), &as_loaded),
    ] {
        let link = to.attach(extension)?;
        let info = link.info()?;
        ensure!(info.target_btf_id == since(5, 13, function)?);
        ensure!(info.target_obj_id == since(5, 13, target.id()?)?);
        ensure!(counts(&counter, || target.run())?);
        drop(link);
        stops(&counter, || target.run())?;
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
        }),
        &["the function that the extension was loaded for"]
    );
    let other = Replaceable::new(&replaced)?;
    let _link = TracingAttach::extension_of(&other, function).attach(&load()?)?;
    ensure!(counts(&counter, || other.run())?);
    ensure_error!(
        TracingAttach::extension_of(&other, function).attach(&load()?),
        // Earlier kernels do not report what links are on.
        Error::HookTaken { .. } | Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY),
        &[&format!("BTF type {function} of program {}", other.id()?)]
    );
    Ok(())
}

fn functions_of_a_program(_sandbox: &Sandbox) -> Result<()> {
    let runs = CounterMap::new()?;
    let target = Replaceable::new(&runs)?;
    let extension = target.extension().passing()?;
    let refused = TracingAttach::extension_of(&target, "replacable").attach(&extension);
    let Err(Error::NoSuchBtfFunction {
        of: BtfOf::Program(id),
        unknown,
        similar,
    }) = &refused
    else {
        anyhow::bail!("{refused:?}");
    };
    let id = id.get();
    ensure!(id == target.id()? && unknown.as_slice() == [c"replacable".to_owned()]);
    ensure!(
        similar
            .iter()
            .any(|close| close.found == [c"replaceable".to_owned()])
    );
    check_refusal(
        refused,
        &["replacable", "replaceable", &format!("program {id}")],
    )?;
    // It was loaded without types.
    let plain = Program::passing(Hook::XDP)?;
    let refused = TracingAttach::extension_of(&plain, "replaceable").attach(&extension);
    ensure!(
        matches!(refused, Err(Error::NoSuchBtfFunction { .. })),
        "{refused:?}"
    );
    // The kernel's words are about the function that was named.
    let on_entry = target.tracer(Hook::FENTRY).passing()?;
    let _traced = TracingAttach::to(TracingHook::Fentry).attach(&on_entry)?;
    ensure_error!(
        TracingAttach::extension_of(&target, "replaceable").attach(&extension),
        Error::HookTaken { .. } | Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBUSY),
        &["replaceable", &format!("program {id}")]
    );
    Ok(())
}

fn as_loaded(sandbox: &Sandbox) -> Result<()> {
    for (hook, of) in [
        (Hook::FENTRY, TracingHook::Fentry),
        (Hook::FEXIT, TracingHook::Fexit),
    ] {
        let counter = CounterMap::new()?;
        let loader = Loader::new(hook).function(FUNCTION)?.in_this_process();
        let program = loader.counting(&counter).passing()?;
        let link = TracingAttach::as_loaded().attach(&program)?;
        ensure!(link.info()?.attach_type == of.attach_type());
        ensure!(counts(&counter, call_test_functions)?, "{of:?}");
        drop(link);
        stops(&counter, call_test_functions)?;
    }
    let load = || Loader::new(Hook::FENTRY).function(FUNCTION)?.passing();
    let (program, another) = (load()?, load()?);
    let pin = sandbox.bpffs().join("pin");
    let run = |program| TracingAttach::as_loaded().ensure_pinned(&pin).run(program);
    ensure!(run(&program)?.outcome == Outcome::Created);
    let again = run(&program)?;
    let is_kept = again.outcome == Outcome::AlreadyRunning;
    // The kernel reports the cookie since 6.17, and has no cookies before 5.19.
    let is_known =
        Need::Linux(6, 17).missing()?.is_none() || Need::Before(5, 19).missing()?.is_none();
    ensure!(is_kept || !is_known, "{again:?}");
    // It may run at the exit, for all that the kernel tells.
    let mut replaced = run(&another)?;
    ensure!(
        matches!(replaced.outcome, Outcome::Replaced { .. }),
        "{replaced:?}"
    );
    ensure!(replaced.link.info()?.program_id == id_of(&another)?);
    replaced.link.unpin()?;
    // A program that was loaded for something else is judged by the kernel.
    let other = Program::passing(Hook::XDP)?;
    ensure_error!(
        TracingAttach::as_loaded().attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[&format!("program {}", other.id()?)]
    );
    Ok(())
}

/// Nobody says which of the two is meant.
fn an_ambiguous_function(_sandbox: &Sandbox) -> Result<()> {
    let target = Replaceable::with_a_namesake(&CounterMap::new()?)?;
    let program = Program::passing(Hook::XDP)?;
    let refused = TracingAttach::extension_of(&target, Replaceable::NAME).attach(&program);
    let error = check_refusal(
        refused,
        &[Replaceable::NAME, &format!("program {}", target.id()?)],
    )?;
    let Error::AmbiguousBtfFunction { ids, .. } = &error else {
        anyhow::bail!("{error:?}");
    };
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let next = BtfTypeId::new(Replaceable::FUNCTION + 1).context("it is 0")?;
    ensure!(ids[..] == [function, next], "{ids:?}");
    // Without the privilege to read its BTF, nobody can tell.
    let target = Replaceable::new(&CounterMap::new()?)?;
    let name = format!("program {}", target.id()?);
    // Nor, before Linux 5.19, whether it is a program.
    let words = [Replaceable::NAME, &*name];
    let words = if is_linux(5, 19)? {
        &words[..]
    } else {
        &words[..1]
    };
    let refused = as_nobody(|| {
        let refused = TracingAttach::extension_of(&target, Replaceable::NAME).attach(&program);
        check_refusal(refused, words)
    })?;
    ensure!(
        matches!(refused, Error::Link(bpf_link::Error::PermissionDenied(_))),
        "{refused:?}"
    );
    Ok(())
}

fn as_loaded_with_a_cookie(_sandbox: &Sandbox) -> Result<()> {
    for hook in [Hook::FENTRY, Hook::FEXIT] {
        let sum = CounterMap::new()?;
        let loader = Loader::new(hook).function(FUNCTION)?.in_this_process();
        let program = loader.adding_cookies(&sum).passing()?;
        let _link = TracingAttach::as_loaded().cookie(COOKIE).attach(&program)?;
        let before = sum.read()?;
        call_test_functions()?;
        ensure!(sum.read()? == before + COOKIE, "{:x}", sum.read()?);
    }
    let other = Program::passing(Hook::XDP)?;
    ensure_error!(
        TracingAttach::as_loaded().cookie(COOKIE).attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[&format!("program {}", other.id()?)]
    );
    Ok(())
}

/// A function with an extension is not traced, and one that is traced is not extended.
fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let runs = CounterMap::new()?;
    let target = Replaceable::new(&runs)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let (extension, on_entry) = (
        target.extension().passing()?,
        target.tracer(Hook::FENTRY).passing()?,
    );
    for (map, errno) in [
        (File::open("/proc/self/comm")?, libc::EINVAL),
        (only_a_path("/proc/self/comm")?, libc::EBADF),
    ] {
        ensure_error!(
            TracingAttach::extension_of(&map, function).attach(&extension),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno),
            &[&format!("BTF type {function}")]
        );
    }
    let traced = TracingAttach::to(TracingHook::Fentry).attach(&on_entry)?;
    ensure_held(&target, &extension, &on_entry, &traced)?;
    drop(traced);
    let extended = TracingAttach::extension_of(&target, function).attach(&extension)?;
    let second = target.extension().passing()?;
    ensure_held(&target, &second, &extension, &extended)?;
    let another = target.tracer(Hook::FEXIT).passing()?;
    let refused = TracingAttach::to(TracingHook::Fexit).attach(&another);
    // Earlier, programs do not say what they were loaded for.
    if since(6, 0, ())?.is_none() {
        ensure_error!(
            refused,
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBUSY),
            &["hook trace_fexit"]
        );
        return Ok(());
    }
    let error = refused.err().context("it was not refused")?;
    let words = ["hook trace_fexit", "perhaps by program"];
    ensure_held_by(&error, &extension, &extended, &words)
}

/// Checks that the error names this program as what keeps the extension off the function, where the
/// kernel reports what links are attached to.
fn ensure_held(
    target: &Replaceable,
    extension: &Program,
    holder: &Program,
    link: &TracingLink,
) -> Result<()> {
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is 0")?;
    let refused = TracingAttach::extension_of(target, function).attach(extension);
    let error = refused.err().context("it was not refused")?;
    ensure!(error.errno() == Some(libc::EBUSY), "{error:?}");
    if Need::Before(5, 13).missing()?.is_none() {
        ensure!(matches!(error, Error::Link(_)), "{error:?}");
        return Ok(());
    }
    ensure_held_by(&error, holder, link, &[])
}

fn ensure_held_by(
    error: &Error,
    holder: &Program,
    link: &TracingLink,
    words: &[&str],
) -> Result<()> {
    let (id, name) = (holder.id()?, holder.name()?);
    let by = format!("program {id} ({name}) of link {}", link.id()?);
    check(error, &[&[by.as_str()], words].concat())?;
    let Error::HookTaken { holders, .. } = error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(holders.len() == 1, "{error:?}");
    ensure!(error.errno() == Some(libc::EBUSY), "{error:?}");
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let function = "bpf_fentry_test1";
    let id = KernelBtf::get()?.function(function)?.context(function)?;
    let program = Loader::new(Hook::FENTRY).function(function)?.returning(0)?;
    let (link, cookie) = if Need::Linux(5, 19).missing()?.is_none() {
        let args = TracingArgs::new().cookie(COOKIE);
        let request = LinkCreate::new(&program, AttachType::TraceFentry).args(args);
        (RawLink::create(&request)?, COOKIE)
    } else {
        let request = RawTracepointOpen::load_time_target(&program);
        (RawLink::open_raw_tracepoint(&request)?, 0)
    };
    let info = TracingLink::try_from(link)?.info()?;
    ensure!(info.program_id == id_of(&program)? && info.attach_type == AttachType::TraceFentry);
    ensure!(info.target_btf_id == since(5, 13, id)?.and_then(BtfTypeId::new));
    // The kernel's own types, of which every kernel has one object.
    ensure!(info.target_obj_id.is_some() == since(5, 13, ())?.is_some());
    ensure!(info.cookie == since(6, 17, cookie)?, "{info:?}");
    ensure!(info.is_defunct() == Some(false));
    Ok(())
}
