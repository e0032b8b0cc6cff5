//! A pin in the place of another, and the lock of a pin's directory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{Command, Error, PinLock, RawLink, temporary_pin};
use bpf_link_tests::{Hook, Map, Program, Sandbox, links, pins, sys};
use rustix::mount::{MountFlags, mount_remount};

use crate::fixture::chain::check_refusal;
use crate::fixture::{Counted, ensure_refused, refusal, without_descriptors, xdp};
use crate::harness::{Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_lock_is_waited_for),
    test!(a_forked_process_neither_keeps_nor_releases_a_lock),
    test!(a_lock_goes_with_its_process),
    test!(a_pin_that_somebody_else_has_put_there),
    test!(it_takes_the_place_of_anything_but_a_directory),
    test!(locks_that_do_not_go),
    test!(the_directory_is_made_anew_while_one_waits),
    test!(the_temporary_pin_is_taken),
    test!(what_does_not_go),
];

pub(crate) const ROLES: &[Role] = &[role!(locker)];

fn id_at(path: &Path) -> Result<u32> {
    Ok(links::LinkInfo::of(&pins::open(path)?)?.id())
}

fn it_takes_the_place_of_anything_but_a_directory(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let counted = Counted::new()?;
    let id = counted.link.id()?.get();
    let map = Map::array(4, 1)?;
    let mut link = counted.link.try_clone()?;

    // Nothing is there.
    link.pin_over(&path)?;
    ensure!(link.pin_path() == Some(path.as_path()) && id_at(&path)? == id);
    // It is there already.
    link.pin_over(&path)?;
    ensure!(id_at(&path)? == id);
    link.unpin()?;

    // A map.
    pins::pin(&map, &path)?;
    link.pin_over(&path)?;
    ensure!(id_at(&path)? == id && sandbox.pinned()? == [path.as_path()]);

    // A pin that it has elsewhere is moved.
    let other = sandbox.bpffs().join("other");
    pins::pin(&map, &other)?;
    link.pin_over(&other)?;
    ensure!(link.pin_path() == Some(other.as_path()) && sandbox.pinned()? == [other.as_path()]);

    std::fs::create_dir(&path)?;
    let refused = link.pin_over(&path);
    let Err(Error::Command(error)) = &refused else {
        bail!("a directory was replaced: {refused:?}");
    };
    ensure!(error.errno() == Some(libc::EISDIR), "{error:?}");
    // The call that was made, and not that of a move, which replaces nothing.
    ensure!(error.command().to_string() == "renameat", "{error:?}");
    ensure!(link.pin_path() == Some(other.as_path()) && id_at(&other)? == id);
    link.unpin()?;
    // And nothing is left where it was for a moment.
    ensure_refused!(link.pin_over(&path), Error::Command(_), Some(libc::EISDIR));
    ensure!(link.pin_path().is_none() && sandbox.pinned()?.is_empty());
    Ok(())
}

fn the_temporary_pin_is_taken(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let mut counted = Counted::new()?;
    let map = Map::array(4, 1)?;
    pins::pin(&map, &temporary_pin(&path))?;
    ensure_refused!(
        counted.link.pin_over(&path),
        Error::PathExists(_),
        Some(libc::EEXIST)
    );
    ensure!(counted.link.pin_path().is_none() && !path.exists());
    std::fs::remove_file(temporary_pin(&path))?;
    Ok(())
}

fn a_pin_that_somebody_else_has_put_there(sandbox: &Sandbox) -> Result<()> {
    let (path, other) = (sandbox.bpffs().join("pin"), sandbox.bpffs().join("other"));
    let mut counted = Counted::new()?;
    counted.link.pin(&path)?;
    std::fs::remove_file(&path)?;
    let map = Map::array(4, 1)?;
    pins::pin(&map, &path)?;
    ensure_refused!(counted.link.pin_over(&other), Error::PinReplaced { .. });
    std::fs::remove_file(&path)?;
    // It has gone: afresh.
    counted.link.pin_over(&other)?;
    ensure!(sandbox.pinned()? == [other.as_path()]);
    counted.link.unpin()?;
    Ok(())
}

fn what_does_not_go(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let link = &mut counted.link;
    let bpffs = sandbox.bpffs().to_owned();
    ensure_refused!(
        link.pin_over(bpffs.join("missing/pin")),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(
        link.pin_over(sandbox.directory().join("pin")),
        Error::NotOnBpffs { .. },
        Some(libc::EPERM)
    );
    ensure_refused!(
        link.pin_over(bpffs.join("a.dot")),
        Error::PinName { .. },
        Some(libc::EPERM)
    );
    ensure_refused!(link.pin_over("nul\0"), Error::PathHasNul { .. });
    link.pin(bpffs.join("pin"))?;
    ensure_refused!(
        link.pin_over(sandbox.second_bpffs()?.join("pin")),
        Error::OtherMount { .. },
        Some(libc::EXDEV)
    );
    mount_remount(&bpffs, MountFlags::RDONLY, "")?;
    let refused = refusal(link.pin_over(bpffs.join("other")));
    mount_remount(&bpffs, MountFlags::empty(), "")?;
    ensure!(refused?.errno() == Some(libc::EROFS));
    let refused = without_descriptors(|| link.pin_over(bpffs.join("other")))?;
    ensure!(refusal(refused)?.errno() == Some(libc::EMFILE));
    ensure!(sandbox.pinned()? == [bpffs.join("pin").as_path()]);
    link.unpin()?;
    Ok(())
}

fn locks_that_do_not_go(sandbox: &Sandbox) -> Result<()> {
    let bpffs = sandbox.bpffs().to_owned();
    ensure_refused!(
        PinLock::of(bpffs.join("missing/pin")),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(PinLock::of("/"), Error::PathNotFound(_), Some(libc::ENOENT));
    let (elsewhere, dot) = (sandbox.directory().join("pin"), bpffs.join("a.dot"));
    let refused = check_refusal(PinLock::of(&elsewhere), &[&elsewhere.to_string_lossy()])?;
    ensure!(matches!(refused, Error::NotOnBpffs { source: None, .. }));
    let refused = check_refusal(PinLock::of(&dot), &[&dot.to_string_lossy()])?;
    ensure!(matches!(refused, Error::PinName { source: None, .. }));
    ensure!(std::error::Error::source(&refused).is_none());
    ensure_refused!(PinLock::of("nul\0"), Error::PathHasNul { .. });
    let mut link = xdp(&Program::passing(Hook::XDP)?)?;
    link.pin(bpffs.join("pin"))?;
    let refused = refusal(PinLock::of(bpffs.join("pin/pin")))?;
    ensure!(refused.errno() == Some(libc::ENOTDIR), "{refused:?}");
    let command = refused.command_error().context("a command was refused")?;
    ensure!(command.command() == Command::OpenDirectory);
    link.unpin()?;
    let refused = without_descriptors(|| PinLock::of(bpffs.join("pin")))?;
    ensure!(refusal(refused)?.errno() == Some(libc::EMFILE));
    crate::fixture::as_nobody(|| {
        std::fs::read_dir(&bpffs).err();
        Ok(())
    })?;
    let closed = bpffs.join("closed");
    std::fs::create_dir(&closed)?;
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    crate::fixture::as_nobody(|| {
        ensure_refused!(
            PinLock::of(closed.join("pin")),
            Error::PermissionDenied(_),
            Some(libc::EACCES)
        );
        Ok(())
    })
}

/// Takes the lock, says so, and keeps it until it is told.
fn locker(arguments: &[String]) -> Result<()> {
    let path = arguments.first().context("no path")?;
    let _lock = PinLock::of(path)?;
    role::say("locked")?;
    role::listen()?;
    Ok(())
}

/// Whether somebody has it: asked without taking it for longer.
fn is_locked(directory: &Path) -> Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    let directory = std::fs::File::open(directory)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn a_lock_is_waited_for(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let text = path.to_str().context("not UTF-8")?;
    let lock = PinLock::of(&path)?;
    // One of another pin in this directory is the same.
    let mut player = role!(locker).start(&[text])?;
    let mut other = role!(locker).start(&[&format!("{text}_other")])?;
    ensure!(is_locked(sandbox.bpffs())?);
    drop(lock);
    // One after the other.
    let waited = std::thread::scope(|scope| {
        let heard = scope.spawn(|| player.hear().map(|_| player));
        let other_heard = scope.spawn(|| other.hear().map(|_| other));
        while !heard.is_finished() && !other_heard.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        ensure!(
            !(heard.is_finished() && other_heard.is_finished()),
            "both have it"
        );
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<role::Player>>| {
            thread.join().map_err(|_| anyhow::anyhow!("it panicked"))?
        };
        let (first, second) = if heard.is_finished() {
            (heard, other_heard)
        } else {
            (other_heard, heard)
        };
        join(first)?.finish()?;
        join(second)
    });
    waited?.finish()?;
    ensure!(!is_locked(sandbox.bpffs())?);
    Ok(())
}

fn a_lock_goes_with_its_process(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let mut player = role!(locker).start(&[path.to_str().context("not UTF-8")?])?;
    ensure!(player.hear()? == "locked" && is_locked(sandbox.bpffs())?);
    player.kill()?;
    let _lock = PinLock::of(&path)?;
    Ok(())
}

fn a_forked_process_neither_keeps_nor_releases_a_lock(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let lock = PinLock::of(&path)?;
    let _copy = sys::fork(&mut sys::pause_for_ever)?;
    ensure!(is_locked(sandbox.bpffs())?);
    drop(lock);
    ensure!(!is_locked(sandbox.bpffs())?, "the copy keeps it");

    let mut lock = Some(PinLock::of(&path)?);
    let ended = sys::fork(&mut || drop(lock.take()))?.wait()?;
    ensure!(ended.exit_status() == Some(0), "{ended:?}");
    ensure!(is_locked(sandbox.bpffs())?, "the copy has released it");
    drop(lock);
    ensure!(!is_locked(sandbox.bpffs())?);
    Ok(())
}

/// Who waits gets the lock of the directory that is there then.
fn the_directory_is_made_anew_while_one_waits(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let lock = PinLock::of(directory.join("pin"))?;
    let path = directory.join("pin");
    let mut player = role!(locker).start(&[path.to_str().context("not UTF-8")?])?;
    // It has opened the directory, and waits for its lock.
    bpf_link_tests::eventually_holds("it waits", || player.has_open(&directory))?;
    std::fs::remove_dir(&directory)?;
    std::fs::create_dir(&directory)?;
    drop(lock);
    ensure!(player.hear()? == "locked" && is_locked(&directory)?);
    player.finish()?;
    let link = RawLink::from_pinned(&path);
    ensure!(matches!(link, Err(Error::PathNotFound(_))), "{link:?}");
    Ok(())
}
