//! `tracing_multi` links: the entry or exit of many kernel functions.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::ffi::CString;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, BtfTypeId, Error, InfoBuffers, LinkCreate, LinkKind, RawLink,
    TracingMultiArgs,
};
use bpf_link_tests::{CounterMap, Hook, KernelBtf, Loader, Program, Sandbox, sys};

use crate::fixture::{ensure_refused, refusal};
use crate::functions::kernel::{address_of, with_hidden_addresses};
use crate::functions::test::{Caller, FUNCTIONS, function_id};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_array::{self, Expected};

/// The info, since Linux 7.3.
const INFO: &[Need] = &[Need::Member("bpf_link_info", "tracing_multi")];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::TracingMulti,
    Need::TRACING_MULTI,
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
    test!(conforms).needs(Need::TRACING_MULTI),
    test!(conforms_on_exit).needs(Need::TRACING_MULTI),
    test!(each_cookie_goes_with_its_function).needs(Need::TRACING_MULTI),
    test!(the_functions)
        .needs(Need::TRACING_MULTI)
        .also_needs(INFO),
    test!(hidden_addresses)
        .needs(Need::TRACING_MULTI)
        .also_needs(INFO)
        .alone(),
    test!(functions_that_do_not_go).needs(Need::TRACING_MULTI),
    test!(a_program_on_the_same_function).needs(Need::TRACING_MULTI),
    test!(targets_and_flags).needs(Need::TRACING_MULTI),
    test!(lengths_that_disagree),
    test!(before_there_was_tracing_multi).needs(&[Need::Without(&Need::Constant(
        "bpf_link_type",
        "BPF_LINK_TYPE_TRACING_MULTI",
    ))]),
];

const ENTRY: (Hook, AttachType) = (Hook::FENTRY_MULTI, AttachType::TraceFentryMulti);
const EXIT: (Hook, AttachType) = (Hook::FEXIT_MULTI, AttachType::TraceFexitMulti);

fn ids() -> Result<[BtfTypeId; 3]> {
    let [a, b, c] = FUNCTIONS;
    Ok([function_id(a)?, function_id(b)?, function_id(c)?])
}

fn conforms_with(sandbox: &Sandbox, (hook, attach_type): (Hook, AttachType)) -> Result<()> {
    let load = || Counting::loaded(Loader::new(hook).in_this_process());
    let (caller, ids) = (Caller::new()?, ids()?);
    let kernel = sys::prog_info(caller.0.as_fd())?.attach_btf_obj_id;
    let args = TracingMultiArgs::new(&ids).cookies(&[30, 20, 10])?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::TracingMulti,
        first: load()?,
        second: load()?,
        create: &|program| RawLink::create(&LinkCreate::new(program, attach_type).args(args)),
        event: &|_| caller.call(),
        fields: vec![
            field!(tracing_multi.attach_type, attach_type.as_raw()),
            field!(tracing_multi.count, 3_u32),
            field!(tracing_multi.btf_obj_id, kernel),
        ],
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    conforms_with(sandbox, ENTRY)
}

fn conforms_on_exit(sandbox: &Sandbox) -> Result<()> {
    conforms_with(sandbox, EXIT)
}

fn create<'a>(program: &'a Program, args: TracingMultiArgs<'a>) -> bpf_link::Result<RawLink> {
    RawLink::create(&LinkCreate::new(program, ENTRY.1).args(args))
}

/// One call runs it once for each function.
fn each_cookie_goes_with_its_function(_sandbox: &Sandbox) -> Result<()> {
    let (caller, ids) = (Caller::new()?, ids()?);
    let sum = CounterMap::new()?;
    let program = Loader::new(ENTRY.0)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let args = TracingMultiArgs::new(&ids).cookies(&[0x100, 0x2_0000, 0xff00_0000_0000_0003])?;
    let link = create(&program, args)?;
    caller.call()?;
    let all = sum.read()?;
    ensure!(all == 0xff00_0000_0002_0103, "they add up to {all:#x}");
    drop(link);
    // On the second of them alone, with its cookie.
    let [_, second, _] = ids;
    let _link = create(
        &program,
        TracingMultiArgs::new(&[second]).cookies(&[0x1000])?,
    )?;
    caller.call()?;
    ensure!(sum.read()?.wrapping_sub(all) == 0x1000);
    Ok(())
}

fn check_arrays(link: &RawLink, ids: &[u64], addresses: &[u64], cookies: &[u64]) -> Result<()> {
    let array = |name, values| Expected {
        name,
        values,
        alone: true,
    };
    let expected = [
        array("ids", ids),
        array("addresses", addresses),
        array("cookies", cookies),
    ];
    lent_array::check(link, expected, |[ids, addresses, cookies]| {
        // The ids have 32 bits.
        let mut short: Vec<u32> = ids
            .iter()
            .map(|&id| u32::try_from(id).unwrap_or(0))
            .collect();
        let info = link.info_with(InfoBuffers::TracingMulti {
            ids: &mut short,
            addresses,
            cookies,
        });
        for (id, short) in ids.iter_mut().zip(short) {
            *id = short.into();
        }
        info
    })
}

/// The ids from the smallest to the largest, with the cookie that each was given.
fn sorted(cookies: [u64; 3]) -> Result<Vec<(u64, &'static str, u64)>> {
    let ids = ids()?.map(|id| u64::from(u32::from(id)));
    let mut all: Vec<_> = ids
        .into_iter()
        .zip(FUNCTIONS)
        .zip(cookies)
        .map(|((id, function), cookie)| (id, function, cookie))
        .collect();
    all.sort_unstable();
    Ok(all)
}

fn the_functions(_sandbox: &Sandbox) -> Result<()> {
    let (program, ids) = (Program::passing(ENTRY.0)?, ids()?);
    let args = TracingMultiArgs::new(&ids);
    for (args, cookies) in [
        (args.cookies(&[30, 20, 10])?, [30, 20, 10]),
        (args, [0, 0, 0]),
    ] {
        let link = create(&program, args)?;
        let sorted = sorted(cookies)?;
        let mut found = [0; 3];
        link.info_with(InfoBuffers::TracingMulti {
            ids: &mut [],
            addresses: &mut found,
            cookies: &mut [],
        })?;
        for (&(_, function, _), found) in sorted.iter().zip(found) {
            // The place that is patched may be after an instruction that jumps have to land on.
            let start = address_of(&CString::new(function)?)?;
            ensure!(
                [start, start + 4].contains(&found),
                "{function} is at {start:#x} and not {found:#x}"
            );
        }
        let ids: Vec<u64> = sorted.iter().map(|&(id, _, _)| id).collect();
        let cookies: Vec<u64> = sorted.iter().map(|&(_, _, cookie)| cookie).collect();
        check_arrays(&link, &ids, &found, &cookies)?;
    }
    Ok(())
}

/// They read 0; the rest does not.
fn hidden_addresses(_sandbox: &Sandbox) -> Result<()> {
    let (program, ids) = (Program::passing(ENTRY.0)?, ids()?);
    let link = create(&program, TracingMultiArgs::new(&ids).cookies(&[7, 7, 7])?)?;
    let ids: Vec<u64> = sorted([7; 3])?.into_iter().map(|(id, _, _)| id).collect();
    with_hidden_addresses(|| check_arrays(&link, &ids, &[0; 3], &[7; 3]))
}

fn functions_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let [first, second, _] = ids()?;
    let structure = KernelBtf::get()?.structure("task_struct")?;
    let structure = structure
        .and_then(BtfTypeId::new)
        .context("no task_struct")?;
    let nothing = BtfTypeId::new(u32::MAX).context("0")?;
    let too_many = vec![first; (1 << 20) + 1];
    let lists: [(&[BtfTypeId], i32); 5] = [
        (&[], libc::EINVAL),
        (&[first, second, first], libc::EINVAL),
        (&[first, structure], libc::EINVAL),
        (&[first, nothing], libc::EINVAL),
        (&too_many, libc::E2BIG),
    ];
    for (ids, errno) in lists {
        ensure_refused!(
            create(&program, TracingMultiArgs::new(ids)),
            Error::Command(_),
            Some(errno)
        );
    }
    // Not one of them was attached.
    drop(create(&program, TracingMultiArgs::new(&[first, second]))?);
    // Loaded for the exit.
    let other = Program::passing(EXIT.0)?;
    ensure_refused!(
        create(&other, TracingMultiArgs::new(&[first])),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn a_program_on_the_same_function(_sandbox: &Sandbox) -> Result<()> {
    let (program, other) = (Program::passing(ENTRY.0)?, Program::passing(ENTRY.0)?);
    let [first, second, third] = ids()?;
    let _link = create(&program, TracingMultiArgs::new(&[first, second]))?;
    ensure_refused!(
        create(&program, TracingMultiArgs::new(&[third, second])),
        Error::Command(_),
        Some(libc::EBUSY)
    );
    drop(create(&program, TracingMultiArgs::new(&[third]))?);
    drop(create(&other, TracingMultiArgs::new(&[third, second]))?);
    Ok(())
}

fn targets_and_flags(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let ids = ids()?;
    let request = LinkCreate::new(&program, ENTRY.1).args(TracingMultiArgs::new(&ids));
    for request in [
        request.flags(AttachFlags::BEFORE),
        request.target_fd(&program),
    ] {
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

/// Nothing is asked of the kernel.
fn lengths_that_disagree(_sandbox: &Sandbox) -> Result<()> {
    let ids = [1, 2, 3].map(BtfTypeId::new);
    let ids: Vec<BtfTypeId> = ids.into_iter().flatten().collect();
    for cookies in [&[][..], &[1, 2], &[1, 2, 3, 4]] {
        let Error::LengthMismatch {
            what,
            expected,
            found,
            ..
        } = refusal(TracingMultiArgs::new(&ids).cookies(cookies))?
        else {
            anyhow::bail!("another error than a mismatch");
        };
        ensure!(what == "tracing_multi.cookies");
        ensure!((expected, found) == (3, cookies.len()));
    }
    Ok(())
}

fn before_there_was_tracing_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE)?;
    let ids = ids()?;
    ensure_refused!(
        create(&program, TracingMultiArgs::new(&ids)),
        Error::UnsupportedByKernel(_) | Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
