//! Which way holders are found, and why.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Command, Error, LinkFileScanner};
use bpf_link_tests::{Hook, KernelBtf, Program, Sandbox, sys};
use bpf_link_typed::inspect::{HolderMethod, Holders, NoIterator, UnreadHolders};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::{ITERATOR, by_the_iterator, pids};
use crate::fixture::{Counted, as_nobody, without_descriptors, xdp};
use crate::harness::{Role, Test, role, test};
use crate::snapshot::methods::{TYPES, ensure_refused_load, with_names, with_only};

pub(crate) const TESTS: &[Test] = &[
    test!(two_capabilities_are_enough).needs(ITERATOR).alone(),
    test!(one_capability_is_not).alone(),
    test!(without_types).alone(),
    test!(without_casts).needs(ITERATOR).alone(),
    test!(without_what_is_needed).needs(ITERATOR).alone(),
    test!(in_a_pid_namespace).alone(),
    test!(without_descriptors_for_a_while)
        .needs(ITERATOR)
        .alone(),
];

pub(crate) const ROLES: &[Role] = &[role!(looker)];

/// The error with which the iterator was refused.
fn refused(holders: &Holders) -> Result<&Error> {
    ensure!(
        holders.method() == Some(HolderMethod::Procfs),
        "{holders:?}"
    );
    match holders.no_iterator() {
        Some(NoIterator::Refused(refusal)) => Ok(refusal.error()),
        other => anyhow::bail!("{other:?}"),
    }
}

fn two_capabilities_are_enough(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    with_only(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        ensure!(pids(&by_the_iterator()?, id) == [std::process::id()]);
        Ok(())
    })
}

fn one_capability_is_not(_sandbox: &Sandbox) -> Result<()> {
    let is_refused = || {
        let mut holders = Holders::new();
        holders.refresh();
        let Error::PermissionDenied(error) = refused(&holders)? else {
            anyhow::bail!("{holders:?}");
        };
        ensure!(error.command() == Command::ProgLoad && error.errno() == Some(libc::EPERM));
        // Those of others cannot be looked into.
        let Some(UnreadHolders::Processes { count, first }) = holders.unread() else {
            anyhow::bail!("{holders:?}");
        };
        ensure!(*count > 0 && first.raw_os_error() == Some(libc::EACCES));
        Ok(())
    };
    with_only(CapabilitySet::BPF, is_refused)?;
    with_only(CapabilitySet::PERFMON, is_refused)?;
    as_nobody(is_refused)
}

/// What is found by procfs.
fn ensure_found(holders: &mut Holders) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    holders.refresh();
    ensure!(
        pids(holders, link.id()?) == [std::process::id()],
        "{holders:?}"
    );
    Ok(())
}

fn without_types(_sandbox: &Sandbox) -> Result<()> {
    // What the test itself needs of them.
    KernelBtf::get()?;
    drop(xdp(&Program::passing(Hook::XDP)?)?);
    let directory = Path::new(TYPES).parent().context("a directory")?;
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None)?;
    let mut holders = Holders::new();
    holders.refresh();
    unmount(directory, UnmountFlags::empty())?;
    ensure_no_types(&holders, Some(libc::ENOENT))?;
    ensure_found(&mut holders)
}

/// The kernel's types lack something.
fn ensure_no_types(holders: &Holders, errno: Option<i32>) -> Result<()> {
    let Error::UnsupportedByKernel(error) = refused(holders)? else {
        anyhow::bail!("{holders:?}");
    };
    ensure!(error.command() == Command::ReadKernelTypes, "{error:?}");
    ensure!(error.errno() == errno, "{error:?}");
    Ok(())
}

fn without_casts(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    let is_found = || {
        ensure!(pids(&by_the_iterator()?, id) == [std::process::id()]);
        Ok(())
    };
    let has_casts = KernelBtf::get()?.function("bpf_rdonly_cast")?.is_some();
    if has_casts {
        with_names(sandbox, &[("bpf_rdonly_cast", "bpf_rdonly_xxxx")], is_found)?;
    }
    // Another function in its place, which the verifier refuses.
    let with_another = [
        ("bpf_rdonly_cast", "bpf_rdonly_xxxx"),
        ("bpf_link_settle", "bpf_rdonly_cast"),
    ];
    let names = if has_casts {
        &with_another[..]
    } else {
        &with_another[1..]
    };
    with_names(sandbox, names, is_found)
}

fn without_what_is_needed(sandbox: &Sandbox) -> Result<()> {
    let look = || {
        let mut holders = Holders::new();
        holders.refresh();
        holders
    };
    with_names(
        sandbox,
        &[("bpf_iter_task_file", "bpf_iter_xxxx_file")],
        || ensure_no_types(&look(), Some(libc::ENOENT)),
    )?;
    with_names(sandbox, &[("private_data", "private_xxxx")], || {
        ensure_no_types(&look(), None)
    })?;
    // Another function in place of that which iterators over files are attached to.
    let names = [
        ("bpf_iter_task_file", "bpf_iter_xxxx_file"),
        ("anon_inode_getfile", "bpf_iter_task_file"),
    ];
    with_names(sandbox, &names, || {
        let holders = look();
        ensure_refused_load(refused(&holders)?)
    })
}

/// Looks in a PID namespace, and says how that was done.
fn looker(_arguments: &[String]) -> Result<()> {
    let mut holders = Holders::new();
    holders.refresh();
    role::say(&format!(
        "{:?} {:?}",
        holders.method(),
        holders.no_iterator()
    ))
}

fn in_a_pid_namespace(_sandbox: &Sandbox) -> Result<()> {
    // What is started from now on is in it.
    sys::unshare(UnshareFlags::NEWPID)?;
    let mut player = role!(looker).start(&[])?;
    let said = player.hear()?;
    player.finish()?;
    ensure!(said == "Some(Procfs) Some(PidNamespace(None))", "{said}");
    Ok(())
}

fn without_descriptors_for_a_while(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    let mut holders = Holders::new();
    for _ in 0..2 {
        without_descriptors(|| holders.refresh())?;
        ensure!(
            holders.method() == Some(HolderMethod::Procfs),
            "{holders:?}"
        );
        let errno = match holders.no_iterator() {
            Some(NoIterator::Refused(refusal)) => refusal.error().errno(),
            Some(NoIterator::Failed(error)) => error.errno(),
            other => anyhow::bail!("{other:?}"),
        };
        ensure!(errno == Some(libc::EMFILE), "{holders:?}");
        let Some(UnreadHolders::Procfs(error)) = holders.unread() else {
            anyhow::bail!("{holders:?}");
        };
        ensure!(error.raw_os_error() == Some(libc::EMFILE) && holders.of(id).is_empty());
        // It is loaded at the next look.
        holders.refresh();
        ensure!(
            holders.method() == Some(HolderMethod::Iterator),
            "{holders:?}"
        );
        ensure!(holders.no_iterator().is_none() && holders.unread().is_none());
        ensure!(pids(&holders, id) == [std::process::id()], "{holders:?}");
    }
    drop(LinkFileScanner::load()?);
    Ok(())
}
