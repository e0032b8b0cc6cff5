//! `BPF_OBJ_GET` of a map.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use crate::error::{Error, Result};
use crate::object::map::MapInfo;
use crate::pin::entry::get_refused;
use crate::pin::path::PinPath;

/// Opens the map that is pinned at this path, to ask for the programs of a map of sockets, say.
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
/// `BPF_OBJ_GET` since Linux 4.4, which ends in `bpf_obj_get_user` (7.3). That it is a map is made
/// sure of as by [`MapInfo::of`].
pub fn open_pinned_map(path: impl AsRef<Path>) -> Result<OwnedFd> {
    let pin = PinPath::new(path.as_ref())?;
    let map = pin
        .get()
        .map_err(|source| match get_refused(&pin, source) {
            Error::NotALink(target) => Error::NotAMap(target),
            error => error,
        })?;
    MapInfo::read(map.as_fd(), pin.target())?;
    Ok(map)
}
