//! Pins: made, moved, removed, opened, and every way in which that is refused.

mod at;
mod objects;
mod over;

use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use anyhow::{Result, ensure};
use bpf_link::{Error, RawLink};
use bpf_link_tests::{Hook, Map, Program, Sandbox, sys};
use rustix::mount::MountFlags;

use crate::fixture::{Counted, as_nobody, ensure_refused, refusal, runs, without_descriptors, xdp};
use crate::harness::Listed::{self, Roles, Tests};
use crate::harness::{Test, test};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(at::TESTS),
    Tests(over::TESTS),
    Roles(over::ROLES),
    Tests(objects::TESTS),
];

const TESTS: &[Test] = &[
    test!(a_pin_keeps_the_program_attached),
    test!(pinning_a_pinned_link_moves_the_pin),
    test!(the_same_path_is_no_change),
    test!(a_vanished_pin_is_made_afresh),
    test!(what_has_taken_the_pins_place_is_left_alone),
    test!(a_symbolic_link_is_no_pin),
    test!(nothing_is_overwritten),
    test!(a_path_that_is_not_on_a_bpffs),
    test!(a_path_on_another_mount),
    test!(a_path_that_cannot_be),
    test!(unpinning_keeps_the_link),
    test!(a_read_only_bpffs_costs_no_descriptor),
    test!(opening_what_is_no_link),
    test!(without_permission),
    test!(with_no_descriptor_left),
    test!(a_link_cannot_be_opened_for_reading_only),
];

fn a_pin_keeps_the_program_attached(sandbox: &Sandbox) -> Result<()> {
    let Counted {
        mut link,
        program,
        counter,
    } = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    let id = link.id()?;
    link.pin(&path)?;
    ensure!(link.pin_path() == Some(path.as_path()));
    drop(link);

    let mut link = RawLink::from_pinned(&path)?;
    ensure!(link.id()? == id);
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    ensure!(link.pin_path() == Some(path.as_path()));
    ensure!(runs(&counter)?, "closing a pinned link detached it");
    link.unpin()?;
    Ok(())
}

fn pinning_a_pinned_link_moves_the_pin(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (old, new) = (sandbox.bpffs().join("old"), sandbox.bpffs().join("new"));
    counted.link.pin(&old)?;
    counted.link.pin(&new)?;
    ensure!(!old.exists() && new.exists());
    ensure!(counted.link.pin_path() == Some(new.as_path()));
    ensure!(RawLink::from_pinned(&new)?.id()? == counted.link.id()?);
    ensure!(counted.runs()?);
    // A clone has no pin, and so gets a second one.
    let mut clone = counted.link.try_clone()?;
    ensure!(clone.pin_path().is_none());
    clone.pin(&old)?;
    ensure!(old.exists() && new.exists());
    clone.unpin()?;
    counted.link.unpin()?;
    Ok(())
}

fn the_same_path_is_no_change(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    let before = fs::metadata(&path)?;
    counted.link.pin(&path)?;
    counted.link.pin(sandbox.bpffs().join("./pin"))?;
    counted.link.pin(sandbox.bpffs().join("../bpf/pin"))?;
    counted
        .link
        .pin_at(fs::File::open(sandbox.bpffs())?, "pin")?;
    let after = fs::metadata(&path)?;
    ensure!(before.ino() == after.ino());
    ensure!(sandbox.pinned()? == [path]);
    counted.link.unpin()?;
    Ok(())
}

fn a_vanished_pin_is_made_afresh(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (old, new) = (sandbox.bpffs().join("old"), sandbox.bpffs().join("new"));
    counted.link.pin(&old)?;
    fs::remove_file(&old)?;
    counted.link.pin(&old)?;
    ensure!(old.exists(), "the same path");
    fs::remove_file(&old)?;
    counted.link.pin(&new)?;
    ensure!(!old.exists() && new.exists(), "another path");
    fs::remove_file(&new)?;
    counted.link.unpin()?;
    ensure!(counted.link.pin_path().is_none());
    ensure!(counted.runs()?);
    Ok(())
}

fn what_has_taken_the_pins_place_is_left_alone(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (path, elsewhere) = (sandbox.bpffs().join("pin"), sandbox.bpffs().join("new"));
    counted.link.pin(&path)?;

    // Another link: of the same program, even.
    fs::remove_file(&path)?;
    let device = bpf_link_tests::Device::create(bpf_link_tests::DeviceKind::Veth, "other")?;
    let request = bpf_link::LinkCreate::new(&counted.program, bpf_link::AttachType::Xdp)
        .target_ifindex(device.index());
    let mut other = RawLink::create(&request)?;
    other.pin(&path)?;
    ensure_refused!(counted.link.pin(&elsewhere), Error::PinReplaced { .. });
    ensure_refused!(counted.link.pin(&path), Error::PinReplaced { .. });
    ensure_refused!(counted.link.unpin(), Error::PinReplaced { .. });
    ensure!(RawLink::from_pinned(&path)?.id()? == other.id()?);
    ensure!(counted.link.pin_path() == Some(path.as_path()));
    other.unpin()?;

    // A map, whose id may be anything.
    let map = Map::array(4, 1)?;
    sys::obj_pin(map.as_fd(), &c_path(&path)?)?;
    ensure_refused!(counted.link.pin(&elsewhere), Error::PinReplaced { .. });
    ensure_refused!(counted.link.unpin(), Error::PinReplaced { .. });
    ensure!(path.exists() && !elsewhere.exists());
    fs::remove_file(&path)?;

    // A directory.
    fs::create_dir(&path)?;
    ensure_refused!(counted.link.unpin(), Error::PinReplaced { .. });
    ensure!(path.exists());
    fs::remove_dir(&path)?;
    ensure!(counted.runs()?);
    device.delete()?;
    Ok(())
}

fn a_symbolic_link_is_no_pin(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (path, alias) = (sandbox.bpffs().join("pin"), sandbox.bpffs().join("alias"));
    counted.link.pin(&path)?;
    symlink(&path, &alias)?;
    let mut opened = RawLink::from_pinned(&alias)?;
    ensure!(opened.id()? == counted.link.id()?);
    ensure_refused!(opened.unpin(), Error::PinReplaced { .. });
    ensure_refused!(
        opened.pin(sandbox.bpffs().join("new")),
        Error::PinReplaced { .. }
    );
    ensure!(path.exists() && fs::symlink_metadata(&alias).is_ok());
    fs::remove_file(&alias)?;
    counted.link.unpin()?;
    Ok(())
}

fn nothing_is_overwritten(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (path, taken) = (sandbox.bpffs().join("pin"), sandbox.bpffs().join("taken"));
    let map = Map::array(4, 1)?;
    sys::obj_pin(map.as_fd(), &c_path(&taken)?)?;
    ensure_refused!(
        counted.link.pin(&taken),
        Error::PathExists(_),
        Some(libc::EEXIST)
    );
    ensure!(counted.link.pin_path().is_none());
    counted.link.pin(&path)?;
    ensure_refused!(
        counted.link.pin(&taken),
        Error::PathExists(_),
        Some(libc::EEXIST)
    );
    ensure!(counted.link.pin_path() == Some(path.as_path()) && path.exists());
    ensure!(sys::map_info(sys::obj_get(&c_path(&taken)?)?.as_fd())?.id == map.id()?);
    fs::remove_file(&taken)?;
    counted.link.unpin()?;
    Ok(())
}

fn a_path_that_is_not_on_a_bpffs(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (path, plain) = (
        sandbox.bpffs().join("pin"),
        sandbox.directory().join("plain"),
    );
    ensure_refused!(
        counted.link.pin(&plain),
        Error::NotOnBpffs { .. },
        Some(libc::EPERM)
    );
    counted.link.pin(&path)?;
    ensure_refused!(
        counted.link.pin(&plain),
        Error::NotOnBpffs { .. },
        Some(libc::EXDEV)
    );
    ensure!(!plain.exists() && path.exists());
    ensure!(counted.link.pin_path() == Some(path.as_path()));
    counted.link.unpin()?;

    fs::write(&plain, "plain")?;
    ensure_refused!(
        RawLink::from_pinned(&plain),
        Error::NotOnBpffs { .. },
        Some(libc::EACCES)
    );
    fs::remove_file(&plain)?;
    Ok(())
}

fn a_path_on_another_mount(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    let other = sandbox.second_bpffs()?.join("pin");
    counted.link.pin(&path)?;
    ensure_refused!(
        counted.link.pin(&other),
        Error::OtherMount { .. },
        Some(libc::EXDEV)
    );
    ensure!(path.exists() && !other.exists());
    ensure!(counted.link.pin_path() == Some(path.as_path()));
    counted.link.unpin()?;
    Ok(())
}

fn a_path_that_cannot_be(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    let refused = |link: &mut RawLink| -> Result<()> {
        let nul = Path::new("a\0b");
        ensure_refused!(link.pin(nul), Error::PathHasNul { .. });
        let missing = sandbox.bpffs().join("missing/pin");
        ensure_refused!(
            link.pin(&missing),
            Error::PathNotFound(_),
            Some(libc::ENOENT)
        );
        let dot = sandbox.bpffs().join("pin.1");
        ensure_refused!(link.pin(&dot), Error::PinName { .. }, Some(libc::EPERM));
        ensure_refused!(link.pin(""), Error::PathNotFound(_), Some(libc::ENOENT));
        Ok(())
    };
    refused(&mut counted.link)?;
    ensure!(counted.link.pin_path().is_none() && sandbox.pinned()?.is_empty());
    counted.link.pin(&path)?;
    refused(&mut counted.link)?;
    ensure!(counted.link.pin_path() == Some(path.as_path()));
    ensure!(sandbox.pinned()? == std::slice::from_ref(&path));
    counted.link.unpin()?;

    ensure_refused!(RawLink::from_pinned("a\0b"), Error::PathHasNul { .. });
    ensure_refused!(
        RawLink::from_pinned(&path),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn unpinning_keeps_the_link(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.unpin()?;
    counted.link.pin(&path)?;
    counted.link.unpin()?;
    ensure!(!path.exists() && counted.link.pin_path().is_none());
    ensure!(counted.runs()?, "unpinning detached the program");
    counted.link.unpin()?;
    Ok(())
}

fn a_read_only_bpffs_costs_no_descriptor(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    rustix::mount::mount_remount(sandbox.bpffs(), MountFlags::RDONLY, "")?;
    ensure_refused!(counted.link.unpin(), Error::Command(_), Some(libc::EROFS));
    ensure_refused!(
        counted.link.pin(sandbox.bpffs().join("new")),
        Error::Command(_),
        Some(libc::EROFS)
    );
    rustix::mount::mount_remount(sandbox.bpffs(), MountFlags::empty(), "")?;
    ensure!(counted.runs()? && path.exists());
    ensure!(counted.link.pin_path() == Some(path.as_path()));
    counted.link.unpin()?;
    ensure!(!path.exists());
    Ok(())
}

fn opening_what_is_no_link(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let map = Map::array(4, 1)?;
    sys::obj_pin(map.as_fd(), &c_path(&path)?)?;
    ensure_refused!(RawLink::from_pinned(&path), Error::NotALink(_));
    ensure!(path.exists());
    fs::remove_file(&path)?;

    let program = Program::passing(Hook::XDP)?;
    sys::obj_pin(program.as_fd(), &c_path(&path)?)?;
    ensure_refused!(RawLink::from_pinned(&path), Error::NotALink(_));
    fs::remove_file(&path)?;

    ensure_refused!(RawLink::from_pinned(sandbox.bpffs()), Error::NotALink(_));
    Ok(())
}

fn without_permission(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    let directory = sandbox.bpffs().join("of_root");
    fs::create_dir(&directory)?;
    let (link, closed) = (&mut counted.link, directory.join("pin"));
    // Kernels before Linux 5.19 may keep all of bpf(2) from a user like this.
    let denied = [Some(libc::EACCES), Some(libc::EPERM)];
    as_nobody(|| {
        let mut clone = link.try_clone()?;
        for error in [
            refusal(RawLink::from_pinned(&path))?,
            refusal(clone.pin(&closed))?,
            refusal(link.unpin())?,
        ] {
            ensure!(matches!(error, Error::PermissionDenied(_)), "{error:?}");
            ensure!(denied.contains(&error.errno()), "{error:?}");
        }
        Ok(())
    })?;
    ensure!(path.exists() && counted.link.pin_path() == Some(path.as_path()));
    fs::remove_dir(&directory)?;
    counted.link.unpin()?;
    Ok(())
}

fn with_no_descriptor_left(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    let refused = without_descriptors(|| RawLink::from_pinned(&path))?;
    ensure_refused!(refused, Error::Command(_), Some(libc::EMFILE));
    // To look whether the pin is ours takes a descriptor, too.
    let refused = without_descriptors(|| counted.link.unpin())?;
    ensure_refused!(refused, Error::Command(_), Some(libc::EMFILE));
    ensure!(path.exists() && counted.runs()?);
    counted.link.unpin()?;
    Ok(())
}

/// Why there is no way to ask for it.
fn a_link_cannot_be_opened_for_reading_only(sandbox: &Sandbox) -> Result<()> {
    let mut link = xdp(&Program::passing(Hook::XDP)?)?;
    let path = sandbox.bpffs().join("pin");
    link.pin(&path)?;
    for flags in [bpf_link_sys::BPF_F_RDONLY, bpf_link_sys::BPF_F_WRONLY] {
        let refused = sys::obj_get_with(&c_path(&path)?, flags);
        ensure!(refused.err().and_then(|error| error.raw_os_error()) == Some(libc::EINVAL));
    }
    link.unpin()?;
    Ok(())
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}
