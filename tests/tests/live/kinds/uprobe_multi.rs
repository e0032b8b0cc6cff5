//! `uprobe_multi` links: many places in a user-space file.

mod ensure;
mod golden;
mod long_path;
mod process;
mod soak;
mod sorts;
mod typed;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, InfoBuffers, InvalidRequest, LinkCreate, LinkKind, RawLink,
    UprobeMultiArgs, UprobeMultiFlags,
};
use bpf_link_tests::{CounterMap, Hook, Loader, Program, Sandbox, eventually_holds, own_code};

use crate::fixture::{ensure_refused, refusal};
use crate::functions::own::{FUNCTIONS, call_each, counted, counters, offsets};
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_array::{self, Expected};
use crate::suites::lent_name::{self, TooShort};

/// The info of the file and the probes, since Linux 6.8.
const INFO: &[Need] = &[Need::Member("bpf_link_info", "uprobe_multi")];
/// The entry and the return, since Linux 6.13.
const SESSION: &[Need] = &[Need::Constant(
    "bpf_attach_type",
    "BPF_TRACE_UPROBE_SESSION",
)];
/// A file by its descriptor, since Linux 7.2.
const PATH_FD: &[Need] = &[Need::Linux(7, 2)];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::UprobeMulti,
    Need::UPROBE_MULTI,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(long_path::TESTS),
    Tests(process::TESTS),
    Roles(process::ROLES),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

/// Two links with different reference counters for one place of a file cannot be at the same time,
/// and all tests are in one file: so those that make links run alone.
const TESTS: &[Test] = &[
    test!(conforms).needs(Need::UPROBE_MULTI).alone(),
    test!(conforms_on_return).needs(Need::UPROBE_MULTI).alone(),
    test!(conforms_as_session)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(SESSION),
    test!(conforms_by_descriptor)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(PATH_FD),
    test!(before_a_file_was_given_by_descriptor)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(&[Need::Before(7, 2)]),
    test!(each_cookie_goes_with_its_offset)
        .needs(Need::UPROBE_MULTI)
        .alone(),
    test!(reference_counters_count)
        .needs(Need::UPROBE_MULTI)
        .alone(),
    test!(the_path)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(INFO),
    test!(the_probes)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(INFO),
    test!(lengths_that_disagree),
    test!(files_that_do_not_go)
        .needs(Need::UPROBE_MULTI)
        .alone(),
    test!(descriptors_that_do_not_go)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(PATH_FD),
    test!(probes_that_do_not_go)
        .needs(Need::UPROBE_MULTI)
        .alone(),
    test!(a_session_that_is_a_return_probe),
    test!(before_there_was_uprobe_multi).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_TRACE_UPROBE_MULTI",
    ))]),
];

const FILE: &CStr = c"/proc/self/exe";

/// The path of the file, as the kernel sees it.
fn path() -> Result<String> {
    let path = std::fs::read_link(own_code::FILE)?;
    Ok(path.to_str().context("the path is not UTF-8")?.to_owned())
}

fn fields(flags: u32, pid: u32) -> Result<Vec<Field>> {
    let length = u32::try_from(path()?.len() + 1)?;
    Ok(vec![
        field!(uprobe_multi.path_size, length),
        field!(uprobe_multi.count, 3_u32),
        field!(uprobe_multi.flags, flags),
        field!(uprobe_multi.pid, pid),
    ])
}

const ENTRY: (Hook, AttachType) = (Hook::UPROBE_MULTI, AttachType::TraceUprobeMulti);
const SESSIONS: (Hook, AttachType) = (Hook::UPROBE_SESSION, AttachType::TraceUprobeSession);

fn conforms_with(
    sandbox: &Sandbox,
    (hook, attach_type): (Hook, AttachType),
    args: UprobeMultiArgs<'_>,
    fields: Vec<Field>,
) -> Result<()> {
    let load = || Counting::loaded(Loader::new(hook).in_this_process());
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::UprobeMulti,
        first: load()?,
        second: load()?,
        create: &|program| RawLink::create(&LinkCreate::new(program, attach_type).args(args)),
        event: &|_| {
            call_each();
            Ok(())
        },
        fields,
        update: Operation::Refused(libc::EINVAL),
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let pid = std::process::id();
    let (offsets, counters) = (offsets()?, counters()?);
    let args = UprobeMultiArgs::path(FILE, &offsets)
        .cookies(&[7, 8, 9])?
        .ref_ctr_offsets(&counters)?
        .pid(pid);
    conforms_with(sandbox, ENTRY, args, fields(0, pid)?)
}

fn conforms_on_return(sandbox: &Sandbox) -> Result<()> {
    let offsets = offsets()?;
    let flags = UprobeMultiFlags::RETURN;
    let args = UprobeMultiArgs::path(FILE, &offsets).flags(flags);
    conforms_with(sandbox, ENTRY, args, fields(flags.bits(), 0)?)
}

fn conforms_as_session(sandbox: &Sandbox) -> Result<()> {
    let offsets = offsets()?;
    let args = UprobeMultiArgs::path(FILE, &offsets);
    conforms_with(sandbox, SESSIONS, args, fields(0, 0)?)?;

    // It runs twice for each call.
    let counter = CounterMap::new()?;
    let program = Loader::new(SESSIONS.0)
        .in_this_process()
        .counting(&counter)
        .passing()?;
    let _link = RawLink::create(&LinkCreate::new(&program, SESSIONS.1).args(args))?;
    call_each();
    ensure!(counter.read()? == 6, "it ran {} times", counter.read()?);
    Ok(())
}

fn conforms_by_descriptor(sandbox: &Sandbox) -> Result<()> {
    let offsets = offsets()?;
    let file = File::open(own_code::FILE)?;
    let args = UprobeMultiArgs::path_fd(&file, &offsets);
    // The kernel reports how the file was given.
    let flags = bpf_link_sys::BPF_F_UPROBE_MULTI_PATH_FD;
    conforms_with(sandbox, ENTRY, args, fields(flags, 0)?)?;

    // As descriptor 0 as well, which the kernel has no other meaning for here.
    let program = Counting::loaded(Loader::new(ENTRY.0).in_this_process())?;
    let _link = descriptor_zero::with(&file, |zero| {
        let args = UprobeMultiArgs::path_fd(&zero, &offsets);
        Ok(RawLink::create(
            &LinkCreate::new(&program, ENTRY.1).args(args),
        )?)
    })?;
    ensure!(program.runs(|| {
        call_each();
        Ok(())
    })?);
    Ok(())
}

fn create<'a>(program: &'a Program, args: UprobeMultiArgs<'a>) -> bpf_link::Result<RawLink> {
    RawLink::create(&LinkCreate::new(program, ENTRY.1).args(args))
}

fn before_a_file_was_given_by_descriptor(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    let file = File::open(own_code::FILE)?;
    ensure_refused!(
        create(&program, UprobeMultiArgs::path_fd(&file, &offsets)),
        Error::UnsupportedByKernel(_),
        Some(libc::EINVAL)
    );
    drop(create(&program, UprobeMultiArgs::path(FILE, &offsets))?);
    Ok(())
}

fn each_cookie_goes_with_its_offset(_sandbox: &Sandbox) -> Result<()> {
    let sum = CounterMap::new()?;
    let program = Loader::new(ENTRY.0)
        .in_this_process()
        .adding_cookies(&sum)
        .passing()?;
    let (offsets, cookies) = (offsets()?, [0x300, 0xffff_0000_0000_0001, 7]);
    let args = UprobeMultiArgs::path(FILE, &offsets).cookies(&cookies)?;
    let _link = create(&program, args)?;
    for (function, cookie) in FUNCTIONS.into_iter().zip(cookies) {
        let before = sum.read()?;
        function(1);
        let found = sum.read()?.wrapping_sub(before);
        ensure!(found == cookie, "{found:#x} came in place of {cookie:#x}");
    }
    Ok(())
}

fn reference_counters_count(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let (offsets, [first, _, third]) = (offsets()?, counters()?);
    ensure!(counted() == [1, 1, 1]);
    // 0 is for a probe that has none.
    let counters = [first, 0, third];
    let args = UprobeMultiArgs::path(FILE, &offsets).ref_ctr_offsets(&counters)?;
    let link = create(&program, args)?;
    ensure!(counted() == [2, 1, 2], "{:?}", counted());
    drop(link);
    eventually_holds("they count no more", || Ok(counted() == [1, 1, 1]))
}

fn the_path(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    let link = create(&program, UprobeMultiArgs::path(FILE, &offsets))?;
    lent_name::check(&link, &path()?, TooShort::LeftAlone, |path| {
        InfoBuffers::UprobeMulti {
            path,
            offsets: &mut [],
            ref_ctr_offsets: &mut [],
            cookies: &mut [],
        }
    })
}

fn the_probes(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let (offsets, ref_ctr_offsets, cookies) = (offsets()?, counters()?, [3, 2, 1]);
    let args = UprobeMultiArgs::path(FILE, &offsets);
    let with_both = args.ref_ctr_offsets(&ref_ctr_offsets)?.cookies(&cookies)?;
    for (args, ref_ctr_offsets, cookies) in [
        (args, &[0; 3], &[0; 3]),
        (with_both, &ref_ctr_offsets, &cookies),
    ] {
        let link = create(&program, args)?;
        let array = |name, values| Expected {
            name,
            values,
            alone: true,
        };
        let expected = [
            array("offsets", &offsets),
            array("ref_ctr_offsets", ref_ctr_offsets),
            array("cookies", cookies),
        ];
        lent_array::check(&link, expected, |[offsets, ref_ctr_offsets, cookies]| {
            link.info_with(InfoBuffers::UprobeMulti {
                path: &mut [],
                offsets,
                ref_ctr_offsets,
                cookies,
            })
        })?;
        // Together with the path.
        let (mut path_buffer, mut found) = (vec![0; 4096], [0; 3]);
        link.info_with(InfoBuffers::UprobeMulti {
            path: &mut path_buffer,
            offsets: &mut found,
            ref_ctr_offsets: &mut [],
            cookies: &mut [],
        })?;
        let found_path = CStr::from_bytes_until_nul(&path_buffer)?;
        ensure!(found_path.to_str()? == path()? && found == offsets);
    }
    Ok(())
}

/// Nothing is asked of the kernel.
fn lengths_that_disagree(_sandbox: &Sandbox) -> Result<()> {
    let args = UprobeMultiArgs::path(FILE, &[1, 2, 3]);
    for (refused, array) in [
        (args.cookies(&[1, 2]), "uprobe_multi.cookies"),
        (args.cookies(&[1, 2, 3, 4]), "uprobe_multi.cookies"),
        (args.ref_ctr_offsets(&[]), "uprobe_multi.ref_ctr_offsets"),
    ] {
        let Error::LengthMismatch { what, expected, .. } = refusal(refused)? else {
            anyhow::bail!("another error than a mismatch");
        };
        ensure!(what == array && expected == 3);
    }
    Ok(())
}

fn files_that_do_not_go(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    let directory = CString::new(sandbox.directory().as_os_str().as_bytes())?;
    for (path, errno) in [
        (c"/no/such/file", libc::ENOENT),
        (&directory, libc::EBADF),
        (c"/dev/null", libc::EBADF),
    ] {
        ensure_refused!(
            create(&program, UprobeMultiArgs::path(path, &offsets)),
            Error::Command(_),
            Some(errno)
        );
    }
    Ok(())
}

fn descriptors_that_do_not_go(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    let only_a_path = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(own_code::FILE)?;
    let directory = File::open(sandbox.directory())?;
    for file in [&only_a_path, &directory] {
        ensure_refused!(
            create(&program, UprobeMultiArgs::path_fd(file, &offsets)),
            Error::Command(_),
            Some(libc::EBADF)
        );
    }
    Ok(())
}

fn probes_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    let [first, ..] = offsets;
    let args = UprobeMultiArgs::path(FILE, &offsets);
    let too_many = vec![first; (1 << 20) + 1];
    for (args, errno) in [
        (UprobeMultiArgs::path(FILE, &[]), libc::EINVAL),
        (UprobeMultiArgs::path(FILE, &[1 << 40]), libc::EINVAL),
        (UprobeMultiArgs::path(FILE, &[u64::MAX]), libc::EINVAL),
        (args.ref_ctr_offsets(&[1, 1, 1])?, libc::EINVAL),
        (
            args.flags(UprobeMultiFlags::from_bits_retain(1 << 31)),
            libc::EINVAL,
        ),
        (args.pid(u32::MAX), libc::EINVAL),
        (UprobeMultiArgs::path(FILE, &too_many), libc::E2BIG),
    ] {
        ensure_refused!(create(&program, args), Error::Command(_), Some(errno));
    }
    // Loaded for another attach type.
    let other = Program::passing(Hook::KPROBE)?;
    ensure_refused!(create(&other, args), Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

fn a_session_that_is_a_return_probe(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(SESSIONS.0)?;
    let args = UprobeMultiArgs::path(FILE, &[1]).flags(UprobeMultiFlags::RETURN);
    ensure_refused!(
        RawLink::create(&LinkCreate::new(&program, SESSIONS.1).args(args)),
        Error::InvalidRequest(InvalidRequest::SessionReturn(_)),
        None
    );
    Ok(())
}

fn before_there_was_uprobe_multi(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(ENTRY.0)?;
    let offsets = offsets()?;
    ensure_refused!(
        create(&program, UprobeMultiArgs::path(FILE, &offsets)),
        Error::UnsupportedByKernel(_),
        Some(libc::EINVAL)
    );
    // Flags make no difference.
    let args = UprobeMultiArgs::path(FILE, &offsets);
    let request = LinkCreate::new(&program, ENTRY.1).flags(AttachFlags::BEFORE);
    ensure_refused!(
        RawLink::create(&request.args(args)),
        Error::UnsupportedByKernel(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
