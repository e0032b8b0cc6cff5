//! Which method a snapshot is taken by, and why.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Command, Error, LinkKind, SnapshotEntry, SnapshotMethod, SnapshotRefusal, Snapshotter, Target,
    links,
};
use bpf_link_tests::{Hook, KernelBtf, Program, Sandbox};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::{ALL_METHODS, ITERATOR, snapshot};
use crate::fixture::lockdown::{LOCKED_DOWN, lock_down};
use crate::fixture::{as_nobody, xdp};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(the_best).needs(ITERATOR).also_needs(&[Need::Jit]),
    test!(no_better_than_asked_for).needs(ITERATOR),
    test!(before_there_were_iterators_over_links)
        .needs(&[Need::Without(&Need::Iterator("bpf_link"))]),
    test!(two_capabilities_are_enough).needs(ITERATOR),
    test!(one_capability_is_not).needs(ITERATOR),
    test!(without_types),
    test!(without_casts).needs(ITERATOR),
    test!(casts_that_the_verifier_refuses)
        .needs(ITERATOR)
        .also_needs(&[Need::Jit]),
    test!(programs_that_the_kernel_refuses).needs(ITERATOR),
    test!(a_kernel_that_is_locked_down)
        .needs(ITERATOR)
        .also_needs(LOCKED_DOWN),
];

/// Where the kernel shows its types.
pub(crate) const TYPES: &str = "/sys/kernel/btf/vmlinux";

fn the_best(_sandbox: &Sandbox) -> Result<()> {
    let snapshotter = Snapshotter::load()?;
    let has_casts = KernelBtf::get()?.function("bpf_rdonly_cast")?.is_some();
    if has_casts {
        ensure!(snapshotter.method() == SnapshotMethod::TypedCast);
        ensure!(snapshotter.refusals().is_empty(), "{snapshotter:?}");
    } else {
        ensure!(snapshotter.method() == SnapshotMethod::ProbeRead);
        ensure_no_function(&snapshotter, "bpf_rdonly_cast")?;
    }
    Ok(())
}

/// There is one refusal: the kernel does not have this function.
fn ensure_no_function(snapshotter: &Snapshotter, function: &str) -> Result<()> {
    let [refusal] = snapshotter.refusals() else {
        anyhow::bail!("{snapshotter:?}");
    };
    let Error::UnsupportedByKernel(error) = refusal.error() else {
        anyhow::bail!("{refusal:?}");
    };
    ensure!(error.command() == Command::ReadKernelTypes, "{refusal:?}");
    ensure!(error.errno() == Some(libc::ENOENT), "{refusal:?}");
    ensure!(
        error.target().to_string() == format!("function {function}"),
        "{refusal:?}"
    );
    ensure!(refusal.verifier_log().is_empty());
    Ok(())
}

fn no_better_than_asked_for(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    for best in ALL_METHODS {
        let snapshotter = Snapshotter::load_at_most(best)?;
        ensure!(snapshotter.method() >= best, "{snapshotter:?}");
        if best != SnapshotMethod::TypedCast {
            ensure!(snapshotter.method() == best && snapshotter.refusals().is_empty());
        }
        let entries = snapshot(&snapshotter)?;
        let entry = entries.iter().find(|entry| entry.id() == id);
        let entry = entry.context("it was not met")?;
        let tells_fields = best < SnapshotMethod::IdsOnly;
        ensure!(entry.ifindex() == tells_fields.then_some(1), "{entry:?}");
        ensure!(entry.references().is_some() == (best < SnapshotMethod::Walk));
    }
    Ok(())
}

/// What is told by a walk.
fn ensure_walks(snapshotter: &Snapshotter) -> Result<()> {
    ensure!(
        snapshotter.method() == SnapshotMethod::Walk,
        "{snapshotter:?}"
    );
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let info = link.info()?;
    let entries = snapshot(snapshotter)?;
    let entry = entries.iter().find(|entry| entry.id() == info.id());
    let entry = entry.context("it was not met")?;
    ensure!(entry.kind() == LinkKind::Xdp && entry.program_id() == info.program_id());
    ensure!(
        entry.ifindex().is_none() && entry.references().is_none(),
        "{entry:?}"
    );
    Ok(())
}

fn before_there_were_iterators_over_links(_sandbox: &Sandbox) -> Result<()> {
    let snapshotter = Snapshotter::load()?;
    ensure_no_function(&snapshotter, "bpf_iter_bpf_link")?;
    ensure_walks(&snapshotter)
}

/// Does something with these capabilities only.
pub(crate) fn with_only<T: Send>(
    capabilities: CapabilitySet,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: CapabilitySet::empty(),
    };
    let with_few = || {
        set_capabilities(None, sets)?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(with_few).join())
        .map_err(|_| anyhow::anyhow!("it panicked"))?
}

fn two_capabilities_are_enough(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    let expected = Snapshotter::load()?.method();
    let meets_it = |snapshotter: &Snapshotter| {
        let entries = snapshot(snapshotter)?;
        let entry = entries.iter().find(|entry| entry.id() == id);
        ensure!(
            entry.and_then(SnapshotEntry::ifindex) == Some(1),
            "{entries:?}"
        );
        Ok(())
    };
    let snapshotter = with_only(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        // Which a walk does not get by with.
        let refused = links().next().and_then(Result::err);
        ensure!(
            matches!(refused, Some(Error::PermissionDenied(_))),
            "{refused:?}"
        );
        let snapshotter = Snapshotter::load()?;
        ensure!(snapshotter.method() == expected, "{snapshotter:?}");
        meets_it(&snapshotter)?;
        Ok(snapshotter)
    })?;
    meets_it(&snapshotter)
}

fn one_capability_is_not(_sandbox: &Sandbox) -> Result<()> {
    let is_refused = || {
        let snapshotter = Snapshotter::load()?;
        ensure!(
            snapshotter.method() == SnapshotMethod::Walk,
            "{snapshotter:?}"
        );
        let last = snapshotter.refusals().last().context("not refused")?;
        let Error::PermissionDenied(error) = last.error() else {
            anyhow::bail!("{last:?}");
        };
        ensure!(last.method() == SnapshotMethod::IdsOnly);
        ensure!(error.command() == Command::ProgLoad && error.errno() == Some(libc::EPERM));
        let mut buf = [0; 100];
        let mut entries = snapshotter.read(&mut buf)?;
        let refused = entries.next().context("an empty list")?;
        ensure!(
            matches!(refused, Err(Error::PermissionDenied(_))),
            "{refused:?}"
        );
        ensure!(entries.next().is_none());
        Ok(())
    };
    with_only(CapabilitySet::BPF, is_refused)?;
    with_only(CapabilitySet::PERFMON, is_refused)?;
    as_nobody(is_refused)
}

/// What is refused with the types as they are.
fn ensure_no_types(errno: Option<i32>) -> Result<()> {
    let snapshotter = Snapshotter::load()?;
    let [refusal] = snapshotter.refusals() else {
        anyhow::bail!("{snapshotter:?}");
    };
    let Error::UnsupportedByKernel(error) = refusal.error() else {
        anyhow::bail!("{refusal:?}");
    };
    ensure!(refusal.method() == SnapshotMethod::IdsOnly);
    ensure!(error.command() == Command::ReadKernelTypes, "{refusal:?}");
    ensure!(
        *error.target() == Target::Path(TYPES.into()) && error.errno() == errno,
        "{error:?}"
    );
    ensure_walks(&snapshotter)
}

/// BTF that is missing, that is something else, or that never ends.
fn without_types(sandbox: &Sandbox) -> Result<()> {
    let directory = Path::new(TYPES).parent().context("a directory")?;
    // What the test itself needs of them.
    KernelBtf::get()?;
    drop(xdp(&Program::passing(Hook::XDP)?)?);
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None)?;
    ensure_no_types(Some(libc::ENOENT))?;
    unmount(directory, UnmountFlags::empty())?;

    let empty = sandbox.directory().join("types");
    std::fs::write(&empty, [])?;
    for instead in [empty.as_path(), Path::new("/dev/zero")] {
        mount_bind(instead, TYPES)?;
        ensure_no_types(None).with_context(|| instead.display().to_string())?;
        unmount(TYPES, UnmountFlags::empty())?;
    }
    Ok(())
}

/// Does something while functions have other names in the kernel's types.
pub(crate) fn with_names(
    sandbox: &Sandbox,
    names: &[(&str, &str)],
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut types = std::fs::read(TYPES)?;
    for (name, instead) in names {
        let whole = |name: &str| [b"\0", name.as_bytes(), b"\0"].concat();
        let (name, instead) = (whole(name), whole(instead));
        let mut found = 0;
        for at in 0..types.len() - name.len() {
            if let Some(here) = types.get_mut(at..at + name.len()) {
                if here == name.as_slice() {
                    here.copy_from_slice(&instead);
                    found += 1;
                }
            }
        }
        ensure!(found == 1, "{found} times {name:?}");
    }
    let file = sandbox.directory().join("renamed");
    std::fs::write(&file, types)?;
    mount_bind(&file, TYPES)?;
    let done = work();
    unmount(TYPES, UnmountFlags::empty())?;
    done
}

fn without_casts(sandbox: &Sandbox) -> Result<()> {
    let names: &[_] = match KernelBtf::get()?.function("bpf_rdonly_cast")? {
        Some(_) => &[("bpf_rdonly_cast", "bpf_rdonly_xxxx")],
        None => &[],
    };
    with_names(sandbox, names, || {
        let snapshotter = Snapshotter::load()?;
        ensure!(
            snapshotter.method() == SnapshotMethod::ProbeRead,
            "{snapshotter:?}"
        );
        ensure_no_function(&snapshotter, "bpf_rdonly_cast")
    })
}

/// Another function in its place.
fn casts_that_the_verifier_refuses(sandbox: &Sandbox) -> Result<()> {
    let names: &[_] = match KernelBtf::get()?.function("bpf_rdonly_cast")? {
        Some(_) => &[
            ("bpf_rdonly_cast", "bpf_rdonly_xxxx"),
            ("bpf_link_settle", "bpf_rdonly_cast"),
        ],
        None => &[("bpf_link_settle", "bpf_rdonly_cast")],
    };
    with_names(sandbox, names, || {
        let snapshotter = Snapshotter::load()?;
        ensure!(
            snapshotter.method() == SnapshotMethod::ProbeRead,
            "{snapshotter:?}"
        );
        let [refusal] = snapshotter.refusals() else {
            anyhow::bail!("{snapshotter:?}");
        };
        ensure!(refusal.method() == SnapshotMethod::TypedCast);
        ensure_refused_load(refusal.error())?;
        ensure!(
            refusal.verifier_log().contains("bpf_link_settle"),
            "{refusal:?}"
        );
        Ok(())
    })
}

/// Another function in place of that which iterators over links are attached to.
fn programs_that_the_kernel_refuses(sandbox: &Sandbox) -> Result<()> {
    let names = [
        ("bpf_iter_bpf_link", "bpf_iter_xxx_xxxx"),
        ("netif_receive_skb", "bpf_iter_bpf_link"),
    ];
    with_names(sandbox, &names, || {
        let snapshotter = Snapshotter::load()?;
        let refusals = snapshotter.refusals();
        let methods = refusals.iter().map(SnapshotRefusal::method);
        ensure!(
            methods.eq(ALL_METHODS.into_iter().take(3)),
            "{snapshotter:?}"
        );
        ensure_refused_load(refusals.last().context("the last")?.error())?;
        ensure_walks(&snapshotter)
    })
}

/// A kernel that is locked down still has casts, but does not copy its memory.
fn a_kernel_that_is_locked_down(_sandbox: &Sandbox) -> Result<()> {
    let best = Snapshotter::load()?.method();
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    let locked = lock_down()?;
    for at_most in [SnapshotMethod::TypedCast, SnapshotMethod::ProbeRead] {
        let snapshotter = Snapshotter::load_at_most(at_most)?;
        let casts = best == SnapshotMethod::TypedCast && at_most == best;
        if casts {
            ensure!(snapshotter.method() == best, "{snapshotter:?}");
        } else {
            ensure!(
                snapshotter.method() == SnapshotMethod::IdsOnly,
                "{snapshotter:?}"
            );
            let copies = |refusal: &&SnapshotRefusal| refusal.method() == SnapshotMethod::ProbeRead;
            let refusal = snapshotter.refusals().iter().find(copies);
            let refusal = refusal.context("copies are not refused")?;
            ensure_refused_load(refusal.error())?;
            let log = refusal.verifier_log();
            ensure!(log.contains("bpf_probe_read_kernel"), "{log}");
        }
        let entries = snapshot(&snapshotter)?;
        let entry = entries.iter().find(|entry| entry.id() == id);
        let entry = entry.context("it was not met")?;
        ensure!(entry.kind() == LinkKind::Xdp);
        ensure!(entry.ifindex() == casts.then_some(1), "{entry:?}");
    }
    drop(locked);
    ensure!(Snapshotter::load()?.method() == best);
    Ok(())
}

/// Holds that the verifier has refused a program.
pub(crate) fn ensure_refused_load(error: &Error) -> Result<()> {
    let Error::UnsupportedByKernel(error) = error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(error.command() == Command::ProgLoad, "{error:?}");
    ensure!(
        matches!(error.errno(), Some(libc::EACCES | libc::EINVAL)),
        "{error:?}"
    );
    Ok(())
}
