//! `kprobe_multi` links: the entry or return of many kernel functions.

mod ensure;
mod golden;
mod refusals;
mod soak;
mod sorts;
mod typed;

use std::ffi::CStr;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, InfoBuffers, InvalidRequest, KprobeMultiArgs, KprobeMultiFlags,
    LinkCreate, LinkKind, RawLink,
};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox};

use crate::fixture::{ensure_refused, refusal};
use crate::functions::kernel::{CALLS, SYMBOLS, address_of, call_all, with_hidden_addresses};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_array::{self, Expected};

/// The cookies in the info, since Linux 6.9.
const INFO: &[Need] = &[Need::Member("bpf_link_info", "kprobe_multi.cookies")];
const LINK_TYPE: Need = Need::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI");

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::KprobeMulti,
    Need::KPROBE_MULTI,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(refusals::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::KPROBE_MULTI),
    test!(conforms_by_address_on_return).needs(Need::KPROBE_MULTI),
    test!(conforms_as_session)
        .needs(Need::KPROBE_MULTI)
        .also_needs(Need::KPROBE_SESSION),
    test!(each_cookie_goes_with_its_function).needs(Need::KPROBE_MULTI),
    test!(the_functions)
        .needs(Need::KPROBE_MULTI)
        .also_needs(INFO),
    test!(hidden_addresses)
        .needs(Need::KPROBE_MULTI)
        .also_needs(INFO)
        .alone(),
    test!(functions_that_do_not_go).needs(Need::KPROBE_MULTI),
    test!(addresses_that_do_not_go).needs(Need::KPROBE_MULTI),
    test!(flags_that_there_are_not).needs(Need::KPROBE_MULTI),
    test!(lengths_that_disagree),
    test!(a_session_that_is_a_return_probe),
    test!(without_fprobe).needs(&[LINK_TYPE, Need::Without(&Need::Function("register_fprobe"))]),
    test!(before_there_was_kprobe_multi).needs(&[Need::Without(&LINK_TYPE)]),
];

const ENTRY: (Hook, AttachType) = (Hook::KPROBE_MULTI, AttachType::TraceKprobeMulti);
const SESSIONS: (Hook, AttachType) = (Hook::KPROBE_SESSION, AttachType::TraceKprobeSession);

fn addresses() -> Result<[u64; 3]> {
    let [a, b, c] = SYMBOLS;
    Ok([address_of(a)?, address_of(b)?, address_of(c)?])
}

fn fields(flags: u32) -> Vec<Field> {
    vec![
        field!(kprobe_multi.count, 3_u32),
        field!(kprobe_multi.flags, flags),
        field!(kprobe_multi.missed, 0_u64),
    ]
}

fn conforms_with(
    sandbox: &Sandbox,
    (hook, attach_type): (Hook, AttachType),
    args: KprobeMultiArgs<'_>,
    flags: KprobeMultiFlags,
) -> Result<()> {
    let args = args.flags(flags);
    let load = || Counting::loaded(Loader::new(hook).in_this_process());
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::KprobeMulti,
        first: load()?,
        second: load()?,
        create: &|program| RawLink::create(&LinkCreate::new(program, attach_type).args(args)),
        event: &|_| {
            call_all();
            Ok(())
        },
        fields: fields(flags.bits()),
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let args = KprobeMultiArgs::symbols(&SYMBOLS).cookies(&[30, 20, 10])?;
    conforms_with(sandbox, ENTRY, args, KprobeMultiFlags::empty())
}

fn conforms_by_address_on_return(sandbox: &Sandbox) -> Result<()> {
    let addresses = addresses()?;
    let args = KprobeMultiArgs::addresses(&addresses).cookies(&[30, 20, 10])?;
    conforms_with(sandbox, ENTRY, args, KprobeMultiFlags::RETURN)
}

fn conforms_as_session(sandbox: &Sandbox) -> Result<()> {
    let args = KprobeMultiArgs::symbols(&SYMBOLS);
    conforms_with(sandbox, SESSIONS, args, KprobeMultiFlags::empty())?;

    // It runs twice for each call.
    let counter = CounterMap::new()?;
    let program = Loader::new(SESSIONS.0)
        .in_this_process()
        .counting(&counter)
        .passing()?;
    let _link = RawLink::create(&LinkCreate::new(&program, SESSIONS.1).args(args))?;
    call_all();
    ensure!(counter.read()? == 6, "it ran {} times", counter.read()?);
    Ok(())
}

fn create<'a>(program: &'a Program, args: KprobeMultiArgs<'a>) -> bpf_link::Result<RawLink> {
    RawLink::create(&LinkCreate::new(program, ENTRY.1).args(args))
}

fn each_cookie_goes_with_its_function(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(ENTRY.0)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let (addresses, cookies) = (addresses()?, [0x300, 0xffff_0000_0000_0001, 7]);
    for args in [
        KprobeMultiArgs::symbols(&SYMBOLS),
        KprobeMultiArgs::addresses(&addresses),
    ] {
        let _link = create(&program, args.cookies(&cookies)?)?;
        for (call, cookie) in CALLS.into_iter().zip(cookies) {
            let before = sum.read()?;
            call();
            let found = sum.read()?.wrapping_sub(before);
            ensure!(found == cookie, "{found:#x} came in place of {cookie:#x}");
        }
    }
    Ok(())
}

/// In the order of the addresses where there are cookies, which go along.
fn the_functions(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let cookies = [30, 20, 10];
    let args = KprobeMultiArgs::symbols(&SYMBOLS).cookies(&cookies)?;
    let link = create(&program, args)?;
    let mut pairs: Vec<(u64, u64)> = addresses()?.into_iter().zip(cookies).collect();
    pairs.sort_unstable();
    let (addresses, cookies): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
    check_arrays(&link, &addresses, &cookies)?;

    // Without cookies, in the order of the names.
    let link = create(&program, KprobeMultiArgs::symbols(&SYMBOLS))?;
    let mut symbols = SYMBOLS;
    symbols.sort_unstable();
    let addresses: Vec<u64> = symbols.into_iter().map(address_of).collect::<Result<_>>()?;
    check_arrays(&link, &addresses, &[0; 3])
}

fn check_arrays(link: &RawLink, addresses: &[u64], cookies: &[u64]) -> Result<()> {
    let expected = [
        Expected {
            name: "addresses",
            values: addresses,
            alone: true,
        },
        Expected {
            name: "cookies",
            values: cookies,
            alone: false,
        },
    ];
    lent_array::check(link, expected, |[addresses, cookies]| {
        link.info_with(InfoBuffers::KprobeMulti { addresses, cookies })
    })
}

/// They read 0; the cookies do not.
fn hidden_addresses(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let addresses = addresses()?;
    let args = KprobeMultiArgs::addresses(&addresses).cookies(&[5, 5, 5])?;
    let link = create(&program, args)?;
    with_hidden_addresses(|| check_arrays(&link, &[0; 3], &[5; 3]))
}

fn functions_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let [first, second, _] = SYMBOLS;
    let long = std::ffi::CString::new("x".repeat(4096))?;
    let lists: [(&[&CStr], i32); 4] = [
        (&[], libc::EINVAL),
        (&[first, c"no_such_function"], libc::ESRCH),
        (&[first, second, first], libc::ESRCH),
        (&[first, &long], libc::E2BIG),
    ];
    for (symbols, errno) in lists {
        ensure_refused!(
            create(&program, KprobeMultiArgs::symbols(symbols)),
            Error::Command(_),
            Some(errno)
        );
    }
    // Loaded for another attach type.
    let other = Program::passing(Hook::KPROBE)?;
    ensure_refused!(
        create(&other, KprobeMultiArgs::symbols(&SYMBOLS)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// So many bytes into a function, its first instruction has ended: s390x takes any place in that.
pub(crate) const INSIDE: u64 = 16;

fn addresses_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let [first, ..] = addresses()?;
    let inside = first + INSIDE;
    let error = refusal(create(
        &program,
        KprobeMultiArgs::addresses(&[first, inside]),
    ))?;
    // Linux 6.12 and 7.3 do not agree.
    let errno = error.errno().context("the kernel was not asked")?;
    ensure!(matches!(error, Error::Command(_)), "{error:?}");
    ensure!([libc::EINVAL, libc::ENOENT].contains(&errno), "{error:?}");
    let too_many = vec![first; (1 << 20) + 1];
    for (addresses, errno) in [(&[][..], libc::EINVAL), (&too_many, libc::E2BIG)] {
        ensure_refused!(
            create(&program, KprobeMultiArgs::addresses(addresses)),
            Error::Command(_),
            Some(errno)
        );
    }
    Ok(())
}

fn flags_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let args = KprobeMultiArgs::symbols(&SYMBOLS);
    ensure_refused!(
        create(
            &program,
            args.flags(KprobeMultiFlags::from_bits_retain(1 << 31))
        ),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let request = LinkCreate::new(&program, ENTRY.1).flags(AttachFlags::BEFORE);
    ensure_refused!(
        RawLink::create(&request.args(args)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// Nothing is asked of the kernel.
fn lengths_that_disagree(_sandbox: &Sandbox) -> Result<()> {
    for args in [
        KprobeMultiArgs::symbols(&SYMBOLS),
        KprobeMultiArgs::addresses(&[1, 2, 3]),
    ] {
        for cookies in [&[][..], &[1, 2], &[1, 2, 3, 4]] {
            let Error::LengthMismatch {
                what,
                expected,
                found,
                ..
            } = refusal(args.cookies(cookies))?
            else {
                anyhow::bail!("another error than a mismatch");
            };
            ensure!(what == "kprobe_multi.cookies");
            ensure!((expected, found) == (3, cookies.len()));
        }
    }
    Ok(())
}

fn a_session_that_is_a_return_probe(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(SESSIONS.0)?;
    let args = KprobeMultiArgs::symbols(&SYMBOLS).flags(KprobeMultiFlags::RETURN);
    ensure_refused!(
        RawLink::create(&LinkCreate::new(&program, SESSIONS.1).args(args)),
        Error::InvalidRequest(InvalidRequest::SessionReturn(_)),
        None
    );
    Ok(())
}

fn without_fprobe(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    ensure_refused!(
        create(&program, KprobeMultiArgs::symbols(&SYMBOLS)),
        Error::UnsupportedByKernel(_),
        Some(libc::EOPNOTSUPP)
    );
    Ok(())
}

fn before_there_was_kprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    ensure_refused!(
        create(&program, KprobeMultiArgs::symbols(&SYMBOLS)),
        Error::UnsupportedByKernel(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
