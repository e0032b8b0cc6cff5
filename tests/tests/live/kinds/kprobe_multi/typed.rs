//! `kprobe_multi` links through their type: attaching, info, and what is refused.

use std::ffi::{CStr, CString};

use anyhow::{Result, ensure};
use bpf_link::{KprobeMultiArgs, RawLink};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{
    Error, Hideable, InfoBuf, KprobeMultiAttach, KprobeMultiFlags, KprobeMultiLink, attach::When,
};

use crate::fixture::addresses::{FUNCTIONS, are_hidden_from_nobody, ensure_functions};
use crate::fixture::as_nobody;
use crate::fixture::attaching::{
    COOKIES, SUM, SUMMANDS, adding, ensure_error, id_of, request, since,
};
use crate::fixture::chain::check_refusal;
use crate::functions::kernel::{SYMBOLS, address_of, call_all};
use crate::harness::{Need, Test, test};
use crate::kinds::kprobe_multi::INSIDE;
use crate::suites::operations::has_no;

has_no! { KprobeMultiLink: update, replace, detach, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::KPROBE_MULTI),
    test!(attach_errors).needs(Need::KPROBE_MULTI),
    test!(session)
        .needs(Need::KPROBE_MULTI)
        .also_needs(Need::KPROBE_SESSION),
    test!(errors_by_address).needs(Need::KPROBE_MULTI),
    test!(without).needs(&[Need::Without(&Need::Function("register_fprobe"))]),
    test!(info).needs(Need::KPROBE_MULTI),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let [a, b, c] = SYMBOLS;
    let addresses = [address_of(a)?, address_of(b)?, address_of(c)?];
    for when in [When::Entry, When::Return] {
        for to in [
            KprobeMultiAttach::to_symbols(when, &SYMBOLS),
            KprobeMultiAttach::to_addresses(when, addresses),
        ] {
            let (program, sum) = adding(Hook::KPROBE_MULTI)?;
            let link = to.clone().cookies(SUMMANDS).attach(&program)?;
            call_all();
            ensure!(sum.read()? == SUM, "{to:?}: {}", sum.read()?);
            let info = link.info()?;
            let flags = match when {
                When::Return => KprobeMultiFlags::RETURN,
                _ => KprobeMultiFlags::empty(),
            };
            ensure!(info.count == since(6, 6, 3)? && info.flags == since(6, 6, flags)?);
            if let Some(mut cookies) = info.cookies {
                cookies.sort_unstable();
                ensure!(cookies == SUMMANDS);
            }
            drop(link);
            call_all();
            ensure!(sum.read()? == SUM);
        }
    }
    Ok(())
}

fn session(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::KPROBE_SESSION)?;
    let to = KprobeMultiAttach::to_symbols(When::Session, &SYMBOLS).cookies(SUMMANDS);
    let _link = to.attach(&program)?;
    call_all();
    ensure!(sum.read()? == 2 * SUM, "{}", sum.read()?);
    Ok(())
}

fn attach_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [a, b, _] = SYMBOLS;
    let of_first = a.to_str()?;
    let attach = |symbols: &[&CStr], program: &Program| {
        KprobeMultiAttach::to_symbols(When::Entry, symbols).attach(program)
    };
    for (symbols, unknown, duplicate) in [
        (
            vec![a, c"no_such", b, c"nor_this"],
            vec![c"no_such", c"nor_this"],
            vec![],
        ),
        (vec![a, b, a], vec![], vec![a]),
        (vec![b, c"no_such", b], vec![c"no_such"], vec![b]),
    ] {
        let words: Vec<&str> = unknown
            .iter()
            .chain(&duplicate)
            .map(|name| name.to_str())
            .collect::<Result<_, _>>()?;
        let refused = check_refusal(attach(&symbols, &program), &words)?;
        let Error::SymbolNotFound { symbols, source } = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(source.errno() == Some(libc::ESRCH));
        let names = |found: &[CString], expected: &[&CStr]| {
            found
                .iter()
                .map(CString::as_c_str)
                .eq(expected.iter().copied())
        };
        ensure!(names(&symbols.unknown, &unknown), "{symbols}");
        ensure!(names(&symbols.duplicate, &duplicate), "{symbols}");
    }
    for hook in [Hook::KPROBE, Hook::XDP] {
        ensure_error!(
            attach(&SYMBOLS, &Program::passing(hook)?),
            Error::AttachTypeMismatch { .. },
            Some(libc::EINVAL),
            &[of_first]
        );
    }
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS)
            .cookies([1])
            .attach(&program),
        Error::Link(bpf_link::Error::LengthMismatch { .. }),
        None,
        &["kprobe_multi.cookies", of_first]
    );
    ensure_error!(
        attach(&[], &program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["no functions"]
    );
    Ok(())
}

fn errors_by_address(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    let inside =
        KprobeMultiAttach::to_addresses(When::Entry, [address, address + INSIDE]).attach(&program);
    let refused = check_refusal(inside, &[&format!("{:#x}", address + INSIDE)])?;
    // Linux 6.12 and 7.3 do not agree.
    let known = [libc::EINVAL, libc::ENOENT];
    ensure!(
        matches!(refused, Error::AddressNotTraceable { .. }),
        "{refused:?}"
    );
    ensure!(
        refused.errno().is_some_and(|errno| known.contains(&errno)),
        "{refused:?}"
    );
    let too_many = vec![address; (1 << 20) + 1];
    ensure_error!(
        KprobeMultiAttach::to_addresses(When::Entry, &too_many).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::E2BIG),
        &[&format!("addresses {address:#x}")]
    );
    Ok(())
}

/// `EOPNOTSUPP` where the kernel knows the kind and was built without it.
fn without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let known = Need::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI");
    let errno = match known.missing()? {
        Some(_) => libc::EINVAL,
        None => libc::EOPNOTSUPP,
    };
    ensure_error!(
        KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(errno),
        &[SYMBOLS[0].to_str()?]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let mut buf = InfoBuf::new();
    for (cookies, flags) in [
        (None, KprobeMultiFlags::empty()),
        (Some(&COOKIES), KprobeMultiFlags::RETURN),
    ] {
        let mut args = KprobeMultiArgs::symbols(&FUNCTIONS).flags(flags);
        if let Some(cookies) = cookies {
            args = args.cookies(cookies)?;
        }
        let request = request(&program, Hook::KPROBE_MULTI).args(args);
        let link = KprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.count == since(6, 6, 3)? && info.flags == since(6, 6, flags)?);
        ensure!(info.missed == since(6, 7, 0)?, "{info:?}");
        ensure!(
            info.cookies.is_some() == since(6, 9, ())?.is_some(),
            "{info:?}"
        );
        ensure!(info.addresses.is_some() == info.count.is_some(), "{info:?}");
        if let Some(addresses) = info.addresses {
            let expected = cookies.copied().unwrap_or_default();
            ensure_functions(addresses, info.cookies, expected)?;
            let owned = info.into_owned();
            ensure!(link.info()? == owned);
            let hidden = as_nobody(|| Ok(link.info()?.addresses))?;
            ensure!((hidden == Some(Hideable::Hidden)) == are_hidden_from_nobody()?);
        }
    }
    Ok(())
}
