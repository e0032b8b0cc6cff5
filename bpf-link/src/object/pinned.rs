//! `BPF_OBJ_GET` of a program or a map.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::object::map::MapInfo;
use crate::pin::entry::get_refused;
use crate::pin::path::PinPath;
use crate::sys;

/// Opens the program that is pinned at this path, to attach it or to update a link with it.
///
/// # Errors
///
/// - [`Error::PathHasNul`]: nothing was asked of the kernel.
/// - [`Error::PathNotFound`] (`ENOENT`): there is nothing at the path.
/// - [`Error::NotOnBpffs`] (`EACCES`): what is there is not on a bpffs.
/// - [`Error::NotAProgram`]: what is there is a link, a map or a directory.
/// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not both
///   read and write the pin.
/// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
///
/// # Kernel
///
/// `BPF_OBJ_GET` since Linux 4.4, which ends in `bpf_obj_get_user` (7.3). That it is a program is
/// checked as by [`ProgramInfo::of`](crate::ProgramInfo::of).
pub fn open_pinned_program(path: impl AsRef<Path>) -> Result<OwnedFd> {
    let (pin, program) = open(path.as_ref(), Error::NotAProgram)?;
    match sys::is_program(program.as_fd()) {
        Ok(true) => Ok(program),
        Ok(false) => Err(Error::NotAProgram(pin.target())),
        Err(source) => {
            Err(CommandError::new(Command::ProgBindMap, pin.target(), source).classify())
        }
    }
}

/// Opens the map that is pinned at this path, such as to ask which programs a map of sockets has.
///
/// # Errors
///
/// - [`Error::PathHasNul`]: nothing was asked of the kernel.
/// - [`Error::PathNotFound`] (`ENOENT`): there is nothing at the path.
/// - [`Error::NotOnBpffs`] (`EACCES`): what is there is not on a bpffs.
/// - [`Error::NotAMap`]: what is there is a link, a program or a directory.
/// - [`Error::PermissionDenied`] (`EACCES`; `EPERM` before Linux 5.19): the caller may not both
///   read and write the pin.
/// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
///
/// # Kernel
///
/// `BPF_OBJ_GET` since Linux 4.4, which ends in `bpf_obj_get_user` (7.3). That it is a map is
/// checked as by [`MapInfo::of`].
pub fn open_pinned_map(path: impl AsRef<Path>) -> Result<OwnedFd> {
    let (pin, map) = open(path.as_ref(), Error::NotAMap)?;
    MapInfo::read(map.as_fd(), pin.target())?;
    Ok(map)
}

/// Opens what is pinned there; `is_other` makes the error for a directory.
fn open(path: &Path, is_other: fn(Target) -> Error) -> Result<(PinPath, OwnedFd)> {
    let pin = PinPath::new(path)?;
    match pin.get() {
        Ok(object) => Ok((pin, object)),
        Err(source) => Err(match get_refused(&pin, source) {
            Error::NotALink(target) => is_other(target),
            error => error,
        }),
    }
}
