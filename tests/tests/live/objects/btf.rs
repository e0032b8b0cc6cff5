//! What the kernel says about BTF objects.

use std::collections::HashSet;
use std::ffi::CString;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{Btf, BtfId, BtfInfo, BtfTypeId, Error, InvalidRequest, ProgramInfo};
use bpf_link_tests::{CounterMap, KernelBtf, Replaceable, Sandbox};

use crate::fixture::chain::check_refusal;
use crate::fixture::{as_nobody, ensure_refused, without_descriptors};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(btf_objects).needs(&[Need::Member("bpf_btf_info", "kernel_btf")]),
    test!(before_there_were_names)
        .needs(&[Need::Without(&Need::Member("bpf_btf_info", "kernel_btf"))]),
    test!(ids_that_do_not_go),
    test!(functions_of_the_kernel)
        .minutes(10)
        .needs(&[Need::Function("vfs_read")]),
    test!(functions_of_modules)
        .minutes(10)
        .needs(&[Need::ModuleTypes]),
    test!(functions_of_a_program),
    test!(functions_that_cannot_be_read),
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

/// Held against another reader.
fn functions_of_the_kernel(_sandbox: &Sandbox) -> Result<()> {
    let (btf, expected) = (Btf::of_kernel()?, KernelBtf::get()?);
    ensure!(btf.module_name().is_none());
    let functions: Vec<_> = btf.functions().collect();
    ensure!(functions.len() > 10_000 && functions.is_sorted());
    for function in functions.iter().step_by(997) {
        let ids: Vec<u32> = btf
            .functions_named(function.name)
            .map(BtfTypeId::get)
            .collect();
        ensure!(ids == expected.functions(function.name)?, "{function:?}");
        ensure!(ids.contains(&function.id.get()), "{function:?}");
        ensure!(
            btf.function_name(function.id) == Some(function.name),
            "{function:?}"
        );
    }
    let passable: HashSet<BtfTypeId> = btf.passable_functions()?.into_iter().collect();
    ensure!(passable.len() > functions.len() / 2 && passable.len() < functions.len());
    ensure!(
        functions
            .iter()
            .filter(|one| passable.contains(&one.id))
            .count()
            == passable.len()
    );
    let is_passable = |name| btf.functions_named(name).any(|id| passable.contains(&id));
    ensure!(is_passable("vfs_read") && is_passable("bpf_fentry_test1"));
    // One returns a structure, and one takes arguments that vary.
    ensure!(!is_passable("current_time") && !is_passable("_printk"));
    // A structure's number and name find no function.
    let structure = expected.structure("task_struct")?.and_then(BtfTypeId::new);
    let structure = structure.context("the kernel has tasks")?;
    ensure!(btf.function_name(structure).is_none());
    ensure!(btf.functions_named("task_struct").next().is_none());
    if Need::Member("bpf_btf_info", "kernel_btf")
        .missing()?
        .is_none()
    {
        let by_id = Btf::from_id(vmlinux()?.id)?;
        ensure!(by_id.functions().eq(btf.functions()));
    }
    Ok(())
}

fn functions_of_modules(_sandbox: &Sandbox) -> Result<()> {
    let kernel = Btf::of_kernel()?;
    let mut modules = 0;
    for entry in std::fs::read_dir("/sys/kernel/btf")? {
        let name = entry?.file_name().into_string().ok().context("a name")?;
        if name == "vmlinux" {
            continue;
        }
        let (btf, expected) = (Btf::of_module(&name)?, KernelBtf::of_module(&name)?);
        ensure!(
            btf.module_name()
                .is_some_and(|found| found.to_bytes() == name.as_bytes())
        );
        for function in btf.functions() {
            ensure!(
                expected
                    .functions(function.name)?
                    .contains(&function.id.get()),
                "{name}: {function:?}"
            );
            ensure!(
                kernel.function_name(function.id).is_none(),
                "{name}: {function:?}"
            );
        }
        let own: Vec<_> = btf.functions().map(|one| one.id).collect();
        let passable = btf.passable_functions()?;
        ensure!(passable.iter().all(|id| own.binary_search(id).is_ok()));
        ensure!(own.len() < 10 || passable.len() > own.len() / 2, "{name}");
        let read = kernel
            .functions_named("vfs_read")
            .next()
            .context("vfs_read")?;
        ensure!(btf.function_name(read) == Some("vfs_read"));
        modules += 1;
    }
    ensure!(modules > 0);
    Ok(())
}

fn functions_of_a_program(_sandbox: &Sandbox) -> Result<()> {
    let (id, _program) = loaded()?;
    let btf = Btf::from_id(id)?;
    let found: Vec<_> = btf
        .functions()
        .map(|found| (found.id.get(), found.name))
        .collect();
    ensure!(
        found == [(Replaceable::FUNCTION, "replaceable")],
        "{found:?}"
    );
    ensure!(btf.module_name().is_none());
    let passable = btf.passable_functions()?;
    ensure!(
        passable
            .iter()
            .map(|id| id.get())
            .eq([Replaceable::FUNCTION])
    );
    Ok(())
}

fn functions_that_cannot_be_read(_sandbox: &Sandbox) -> Result<()> {
    let none = BtfId::try_from(i32::MAX.unsigned_abs())?;
    ensure_refused!(Btf::from_id(none), Error::Vanished(_), Some(libc::ENOENT));
    // Nor is a path a module, or the kernel.
    for name in [
        "no_such_module",
        "",
        ".",
        "..",
        "../vmlinux",
        "/dev/zero",
        "vmlinux",
    ] {
        ensure_refused!(Btf::of_module(name), Error::Command(_), Some(libc::ENOENT));
    }
    let refused = check_refusal(Btf::of_module("a\0b"), &[r#""a\x00b""#])?;
    ensure!(
        matches!(
            refused,
            Error::InvalidRequest(InvalidRequest::NameHasNul { .. })
        ),
        "{refused:?}"
    );
    let (id, _program) = loaded()?;
    as_nobody(|| {
        ensure_refused!(
            Btf::from_id(id),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
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
