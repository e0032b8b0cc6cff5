//! `uprobe_multi` links through their type: attaching, info, and what is refused.

use std::ffi::CString;
use std::fs::File;
#[cfg(target_arch = "x86_64")]
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{RawLink, UprobeMultiArgs};
use bpf_link_tests::{Hook, Program, Sandbox, own_code};
use bpf_link_typed::{
    Error, FileRef, InfoBuf, UprobeMultiAttach, UprobeMultiFlags, UprobeMultiLink, attach::When,
};

use crate::fixture::attaching::{
    COOKIES, SUM, SUMMANDS, adding, ensure_error, id_of, only_a_path, request, since, without,
};
#[cfg(target_arch = "x86_64")]
use crate::functions::own;
use crate::functions::own::{call_each, counted, counters, offsets};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { UprobeMultiLink: update, replace, detach, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::UPROBE_MULTI).alone(),
    test!(by_descriptor).needs(Need::UPROBE_MULTI).alone(),
    test!(attach_errors).needs(Need::UPROBE_MULTI).alone(),
    test!(session)
        .needs(Need::UPROBE_MULTI)
        .alone()
        .also_needs(&[Need::Constant(
            "bpf_attach_type",
            "BPF_TRACE_UPROBE_SESSION",
        )]),
    test!(more_errors).needs(Need::UPROBE_MULTI),
    #[cfg(target_arch = "x86_64")]
    test!(no_instruction).needs(Need::UPROBE_MULTI).alone(),
    test!(without).needs(without!("bpf_attach_type", "BPF_TRACE_UPROBE_MULTI")),
    test!(info).alone().needs(Need::UPROBE_MULTI),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let (offsets, [counter, ..]) = (offsets()?, counters()?);
    let references = [counter, 0, 0];
    for when in [When::Entry, When::Return] {
        let (program, sum) = adding(Hook::UPROBE_MULTI)?;
        let link = UprobeMultiAttach::to(own_code::FILE, when, offsets)
            .cookies(SUMMANDS)
            .ref_ctr_offsets(references)
            .pid(std::process::id())
            .attach(&program)?;
        call_each();
        ensure!(sum.read()? == SUM, "{when:?}: {}", sum.read()?);
        ensure!(counted() == [2, 1, 1]);
        let info = link.info()?;
        let flags = match when {
            When::Return => UprobeMultiFlags::RETURN,
            _ => UprobeMultiFlags::empty(),
        };
        ensure!(info.offsets == since(6, 8, offsets.to_vec())?, "{info:?}");
        ensure!(info.ref_ctr_offsets == since(6, 8, references.to_vec())?);
        ensure!(info.cookies == since(6, 8, SUMMANDS.to_vec())? && info.count == since(6, 8, 3)?);
        ensure!(info.flags == since(6, 8, flags)?);
        ensure!(info.pid == since(6, 8, std::process::id())?);
        drop(link);
        call_each();
        ensure!(sum.read()? == SUM && counted() == [1; 3]);
    }
    Ok(())
}

/// Since Linux 7.2 as a descriptor, before as a path that leads to it.
fn by_descriptor(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let (file, offsets) = (File::open(own_code::FILE)?, offsets()?);
    let to = UprobeMultiAttach::to(&file, When::Entry, offsets).cookies(SUMMANDS);
    let link = to.attach(&program)?;
    drop(file);
    call_each();
    ensure!(sum.read()? == SUM);
    let path = link.info()?.path.context("it has a path")?;
    ensure!(
        path.to_str()?
            == std::fs::read_link(own_code::FILE)?
                .to_str()
                .context("text")?
    );
    Ok(())
}

fn session(_sandbox: &Sandbox) -> Result<()> {
    let (program, sum) = adding(Hook::UPROBE_SESSION)?;
    let offsets = offsets()?;
    let to = UprobeMultiAttach::to(own_code::FILE, When::Session, offsets).cookies(SUMMANDS);
    let _link = to.attach(&program)?;
    call_each();
    ensure!(sum.read()? == 2 * SUM, "{}", sum.read()?);
    Ok(())
}

fn attach_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let offsets = offsets()?;
    let to = |file: &'static str| UprobeMultiAttach::to(file, When::Entry, offsets);
    ensure_error!(
        to("/no such file").attach(&program),
        Error::File { .. },
        Some(libc::ENOENT),
        &["/no such file"]
    );
    ensure_error!(
        to("/").attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook trace_uprobe_multi of /"]
    );
    ensure_error!(
        to("/a\0b").attach(&program),
        Error::Link(bpf_link::Error::PathHasNul { .. }),
        None,
        &["/a\\0b"]
    );
    ensure_error!(
        to(own_code::FILE).cookies([1]).attach(&program),
        Error::Link(bpf_link::Error::LengthMismatch { .. }),
        None,
        &["uprobe_multi.cookies", own_code::FILE]
    );
    ensure_error!(
        to(own_code::FILE).pid(0x7fff_fff0).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ESRCH),
        &[own_code::FILE, "in process 2147483632"]
    );
    Ok(())
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    for offsets in [&[][..], &[1 << 40]] {
        ensure_error!(
            UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EINVAL),
            &[own_code::FILE]
        );
    }
    let other = Program::passing(Hook::KPROBE)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, [64]).attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[&format!("{} at 0x40", own_code::FILE)]
    );
    if Need::Linux(7, 2).missing()?.is_none() {
        let path = only_a_path(own_code::FILE)?;
        ensure_error!(
            UprobeMultiAttach::to(FileRef::fd(&path), When::Entry, [64]).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EBADF),
            &["at 0x40"]
        );
    }
    Ok(())
}

/// The kernel's `ENOTSUPP`, as this process maps the file.
#[cfg(target_arch = "x86_64")]
fn no_instruction(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let offsets = [own::offset_of(own::first)?, own::no_instruction()?];
    let refused = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).attach(&program);
    let Err(Error::InstructionNotProbed { places, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(places.offsets == offsets && places.path == Path::new(own_code::FILE));
    ensure_error!(
        refused,
        Error::InstructionNotProbed { .. },
        Some(524),
        &[own_code::FILE]
    );
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    ensure_error!(
        UprobeMultiAttach::to(own_code::FILE, When::Entry, [64]).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &[&format!("{} at 0x40", own_code::FILE)]
    );
    Ok(())
}

fn info(sandbox: &Sandbox) -> Result<()> {
    const OFFSETS: [u64; 3] = [0x40, 0, 0x80];
    const COUNTERS: [u64; 3] = [0x100, 0, 0x102];
    let path = sandbox.directory().join("typed");
    std::fs::write(&path, [0; 4096])?;
    let file = CString::new(path.as_os_str().as_encoded_bytes())?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let all = UprobeMultiArgs::path(&file, &OFFSETS)
        .ref_ctr_offsets(&COUNTERS)?
        .cookies(&COOKIES)?
        .flags(UprobeMultiFlags::RETURN)
        .pid(std::process::id());
    let plain = UprobeMultiArgs::path(&file, &OFFSETS);
    for (args, counters, cookies, flags, pid) in [
        (
            all,
            COUNTERS,
            COOKIES,
            UprobeMultiFlags::RETURN,
            std::process::id(),
        ),
        (plain, [0; 3], [0; 3], UprobeMultiFlags::empty(), 0),
    ] {
        let request = request(&program, Hook::UPROBE_MULTI).args(args);
        let link = UprobeMultiLink::try_from(RawLink::create(&request)?)?;
        let mut buf = InfoBuf::new();
        let info = link.info_in(&mut buf)?;
        ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
        ensure!(info.path == since(6, 8, file.as_c_str())?, "{info:?}");
        ensure!(info.count == since(6, 8, 3)?, "{info:?}");
        ensure!(info.offsets == since(6, 8, OFFSETS.as_slice())?, "{info:?}");
        ensure!(
            info.ref_ctr_offsets == since(6, 8, counters.as_slice())?,
            "{info:?}"
        );
        ensure!(info.cookies == since(6, 8, cookies.as_slice())?, "{info:?}");
        ensure!(info.flags == since(6, 8, flags)?, "{info:?}");
        ensure!(info.pid == since(6, 8, pid)?, "{info:?}");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
