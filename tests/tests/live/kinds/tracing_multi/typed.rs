//! `tracing_multi` links through their type: attaching, info, and what is refused.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{RawLink, TracingMultiArgs};
use bpf_link_tests::{CounterMap, Hook, KernelBtf, Loader, Program, Sandbox};
use bpf_link_typed::{
    Attach as _, AttachType, BtfOf, BtfTypeId, Error, Hideable, Link, LinkKind, TracingMultiAttach,
    TracingMultiLink, attach::When, ensure::Outcome,
};

use crate::fixture::addresses::{FUNCTIONS, ensure_functions};
use crate::fixture::attaching::{COOKIES, ensure_error, id_of, request, since, without};
use crate::fixture::chain::check_refusal;
use crate::functions::test::{self, FUNCTION, call_test_functions, function_id};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { TracingMultiLink: update, replace, detach, create_iter }

/// A kernel whose types can be read.
const NAMED_TYPES: &[Need] = &[Need::Function("vfs_read")];

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::TRACING_MULTI),
    test!(errors_of_what_returns_a_structure).needs(Need::TRACING_MULTI),
    test!(errors_untraceable).needs(Need::TRACING_MULTI),
    test!(by_name).needs(Need::TRACING_MULTI),
    test!(taken_over_by_name).needs(Need::TRACING_MULTI),
    test!(names_that_there_are_not).needs(NAMED_TYPES),
    test!(without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_TRACING_MULTI")),
    test!(info).needs(Need::TRACING_MULTI),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let functions = ["bpf_fentry_test3", "bpf_fentry_test1", "bpf_fentry_test2"];
    let too_many = vec![function_id(FUNCTION)?; (1 << 20) + 1];
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
        let link = to.clone().cookies(&[2, 30, 400]).attach(&program)?;
        ensure!(link.as_raw().kind()? == LinkKind::TracingMulti);
        let before = sum.read()?;
        call_test_functions()?;
        ensure!(sum.read()? == before + 432 * runs, "{}", sum.read()?);
        let info = link.info()?;
        ensure!(info.count == since(7, 3, 3)?, "{info:?}");
        ensure!(info.attach_type == since(7, 3, attach_type)?, "{info:?}");
        // There is no info about the link before Linux 7.3.
        ensure_error!(
            to.attach(&program),
            Error::AlreadyAttached(_) | Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBUSY),
            &["BTF type"]
        );
        let refused = to.attach(&program);
        let is_told = matches!(refused, Err(Error::AlreadyAttached(_)));
        ensure!(is_told == since(7, 3, ())?.is_some(), "{refused:?}");
        drop(link);
        let before = sum.read()?;
        call_test_functions()?;
        ensure!(sum.read()? == before);
        ensure_error!(
            to.clone().cookies(&[1]).attach(&program),
            Error::Link(bpf_link::Error::LengthMismatch { .. }),
            None,
            &["tracing_multi.cookies for BTF types"]
        );
        let [first, ..] = test::FUNCTIONS;
        ensure_error!(
            TracingMultiAttach::to(when, test::FUNCTIONS)
                .cookies(&[1])
                .attach(&program),
            Error::Link(bpf_link::Error::LengthMismatch { .. }),
            None,
            &["tracing_multi.cookies for functions", first]
        );
        // The list is too long: no function of it is full.
        ensure_error!(
            TracingMultiAttach::to(when, &too_many).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::E2BIG),
            &["BTF types"]
        );
        ensure_error!(
            TracingMultiAttach::to::<BtfTypeId>(when, []).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL),
            &["no BTF types"]
        );
    }
    Ok(())
}

/// The kernel lists what can be traced; of the rest some is described in BTF all the same.
fn errors_untraceable(sandbox: &Sandbox) -> Result<()> {
    let list = sandbox.tracefs()?.join("available_filter_functions");
    let list = std::fs::read_to_string(&list).context("the list of functions")?;
    let traceable: std::collections::HashSet<&str> = list.lines().collect();
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let mut untraceable = 0;
    for line in symbols.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (Some("T"), Some(name), None) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if traceable.contains(name) {
            continue;
        }
        let Some(id) = KernelBtf::get()?.function(name)?.and_then(BtfTypeId::new) else {
            continue;
        };
        let refused = TracingMultiAttach::to(When::Entry, [id]).attach(&program);
        let refused = refused.err().with_context(|| name.to_owned())?;
        match refused.errno() {
            Some(libc::ENOENT) => untraceable += 1,
            // It is on a list of those that would be the end of the kernel, or returns a structure.
            Some(libc::EINVAL) => {}
            _ => anyhow::bail!("{name}: {refused:?}"),
        }
        if untraceable == 3 {
            return Ok(());
        }
    }
    anyhow::bail!("{untraceable} were found")
}

/// It returns a `struct timespec64`.
fn errors_of_what_returns_a_structure(_sandbox: &Sandbox) -> Result<()> {
    let ids = [function_id("current_time")?];
    for (when, hook) in [
        (When::Entry, Hook::FENTRY_MULTI),
        (When::Return, Hook::FEXIT_MULTI),
    ] {
        let program = Program::passing(hook)?;
        ensure_error!(
            TracingMultiAttach::to(when, ids).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL),
            &[&format!("BTF type {}", ids[0])]
        );
    }
    Ok(())
}

/// Among the functions of the kernel.
fn by_name(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(Hook::FENTRY_MULTI)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let [one, other, _] = test::FUNCTIONS;
    let to = TracingMultiAttach::to(When::Entry, [one, other]).cookies(&[2, 30]);
    let link = to.attach(&program)?;
    let before = sum.read()?;
    call_test_functions()?;
    ensure!(sum.read()? == before + 32, "{}", sum.read()?);
    drop(link);
    Ok(())
}

/// Names and ids of the same functions are the same hook. While somebody holds the old link, the
/// run tries again and again. If each attempt read all types, this test would run out of time.
fn taken_over_by_name(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let [one, other, third] = test::FUNCTIONS;
    let pin = sandbox.bpffs().join("pin");
    let created = TracingMultiAttach::to(When::Entry, [one, other])
        .cookies(&[2, 30])
        .ensure_pinned(&pin)
        .run(&program)?;
    ensure!(created.outcome == Outcome::Created, "{created:?}");
    drop(created);
    let numbers = [function_id(other)?, function_id(one)?];
    let mut last = None;
    for to in [
        TracingMultiAttach::to(When::Entry, numbers).cookies(&[30, 2]),
        TracingMultiAttach::to(When::Entry, [one.to_owned(), other.to_owned()])
            .cookies(vec![2, 30]),
    ] {
        drop(last.take());
        let again = to.ensure_pinned(&pin).run(&program)?;
        // Before 7.3 the kernel does not tell where the link is.
        let is_kept = again.outcome == Outcome::AlreadyRunning;
        ensure!(is_kept == since(7, 3, ())?.is_some(), "{again:?}");
        last = Some(again);
    }
    let elsewhere = TracingMultiAttach::to(When::Entry, [one, third]).ensure_pinned(&pin);
    let held = last.context("it ran twice")?;
    let refused = elsewhere.run(&program);
    ensure!(
        matches!(&refused, Err(Error::OldLinkHeld { link, .. }) if *link == held.link.id()?),
        "{refused:?}"
    );
    drop(held);
    let replaced = elsewhere.run(&program)?;
    ensure!(
        matches!(replaced.outcome, Outcome::Replaced { gap: true, .. }),
        "{replaced:?}"
    );
    drop(replaced);
    Ok(Link::from_pinned(&pin)?.unpin()?)
}

/// Needs no kernel that has such links: the names are looked up before.
fn names_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let attach = |names: &[&str]| TracingMultiAttach::to(When::Entry, names).attach(&program);
    let refused = attach(&["vfs_raed", "vfs_write", "no_such_function_here"]);
    let Err(Error::NoSuchBtfFunction {
        of: BtfOf::Kernel,
        unknown,
        similar,
    }) = &refused
    else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(unknown.as_slice() == [c"vfs_raed", c"no_such_function_here"].map(ToOwned::to_owned));
    let [close] = similar.as_slice() else {
        anyhow::bail!("{similar:?}");
    };
    ensure!(close.symbol.as_c_str() == c"vfs_raed", "{close:?}");
    ensure!(
        close
            .found
            .iter()
            .any(|name| name.as_c_str() == c"vfs_read"),
        "{close:?}"
    );
    check_refusal(
        refused,
        &[
            "vfs_raed",
            "vfs_read",
            "no_such_function_here",
            "the kernel",
        ],
    )?;
    for name in ["", "a\0b"] {
        let refused = attach(&[name]);
        ensure!(refused.is_err(), "{name:?}");
    }
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let ids = [function_id(FUNCTION)?];
    ensure_error!(
        TracingMultiAttach::to(When::Entry, ids).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)) | Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[&format!("BTF type {}", ids[0])]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let hook = Hook::FENTRY_MULTI;
    let program = Program::passing(hook)?;
    let mut ids = Vec::new();
    for function in FUNCTIONS {
        let id = KernelBtf::get()?.function(function.to_str()?)?;
        ids.push(id.and_then(BtfTypeId::new).context("no such function")?);
    }
    let args = TracingMultiArgs::new(&ids).cookies(&COOKIES)?;
    let link = RawLink::create(&request(&program, hook).args(args))?;
    let link = TracingMultiLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    ensure!(info.attach_type == since(7, 3, AttachType::TraceFentryMulti)?);
    ensure!(
        info.btf_obj_id.is_some() == since(7, 3, ())?.is_some(),
        "{info:?}"
    );
    ensure!(info.count == since(7, 3, 3)?, "{info:?}");
    let mut sorted: Vec<(u32, u64)> = ids.iter().map(|id| id.get()).zip(COOKIES).collect();
    sorted.sort_unstable();
    let (sorted, cookies): (Vec<u32>, Vec<u64>) = sorted.into_iter().unzip();
    ensure!(info.ids == since(7, 3, sorted)?, "{info:?}");
    ensure!(info.cookies == since(7, 3, cookies)?, "{info:?}");
    if let Some(addresses) = &info.addresses {
        let addresses = match addresses {
            Hideable::Visible(addresses) => Hideable::Visible(addresses.as_slice()),
            Hideable::Hidden => Hideable::Hidden,
        };
        ensure_functions(addresses, info.cookies.as_deref(), COOKIES)?;
    }
    Ok(())
}
