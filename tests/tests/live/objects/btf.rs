//! What the kernel says about BTF objects.

use std::ffi::CString;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{BtfId, BtfInfo, Error, ProgramInfo};
use bpf_link_tests::{CounterMap, Replaceable, Sandbox};

use crate::fixture::{as_nobody, ensure_refused, without_descriptors};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(btf_objects).needs(&[Need::Member("bpf_btf_info", "kernel_btf")]),
    test!(before_there_were_names)
        .needs(&[Need::Without(&Need::Member("bpf_btf_info", "kernel_btf"))]),
    test!(ids_that_do_not_go),
];

/// The id of the kernel's own types, which are the first that it has.
fn vmlinux() -> Result<BtfInfo> {
    for id in 1..100 {
        match BtfInfo::from_id(BtfId::try_from(id)?) {
            Ok(info) if info.name.as_deref() == Some(c"vmlinux") => return Ok(info),
            Ok(_) | Err(Error::Vanished(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("no object is that of the kernel")
}

fn btf_objects(_sandbox: &Sandbox) -> Result<()> {
    let kernel = vmlinux()?;
    ensure!(kernel.is_kernel == Some(true), "{kernel:?}");
    let types = std::fs::read("/sys/kernel/btf/vmlinux")?;
    ensure!(usize::try_from(kernel.size)? == types.len(), "{kernel:?}");
    ensure!(BtfInfo::read_types(kernel.id)? == types);

    let program = Replaceable::new(&CounterMap::new()?)?;
    let program = ProgramInfo::of(&program)?;
    let own = BtfInfo::from_id(program.btf_id.context("it has no types")?)?;
    ensure!(own.is_kernel == Some(false), "{own:?}");
    ensure!(own.name == Some(CString::default()), "{own:?}");
    ensure!(BtfInfo::read_types(own.id)?.len() == usize::try_from(own.size)?);
    Ok(())
}

/// A BTF object that is loaded with a program, and the program.
fn loaded() -> Result<(BtfId, Replaceable)> {
    let program = Replaceable::new(&CounterMap::new()?)?;
    let id = ProgramInfo::of(&program)?.btf_id;
    Ok((id.context("it has no types")?, program))
}

fn before_there_were_names(_sandbox: &Sandbox) -> Result<()> {
    let (id, _program) = loaded()?;
    let info = BtfInfo::from_id(id)?;
    ensure!(info.name.is_none() && info.is_kernel.is_none(), "{info:?}");
    ensure!(BtfInfo::read_types(id)?.len() == usize::try_from(info.size)?);
    Ok(())
}

fn ids_that_do_not_go(_sandbox: &Sandbox) -> Result<()> {
    let none = BtfId::try_from(i32::MAX.unsigned_abs())?;
    ensure_refused!(
        BtfInfo::from_id(none),
        Error::Vanished(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(
        BtfInfo::read_types(none),
        Error::Vanished(_),
        Some(libc::ENOENT)
    );
    let (id, _program) = loaded()?;
    let none_left = without_descriptors(|| BtfInfo::from_id(id))?;
    ensure_refused!(none_left, Error::Command(_), Some(libc::EMFILE));
    as_nobody(|| {
        let refused = BtfInfo::from_id(id);
        ensure_refused!(refused, Error::PermissionDenied(_), Some(libc::EPERM));
        Ok(())
    })
}
