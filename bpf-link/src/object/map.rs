//! What the kernel says about a map.

use std::ffi::CString;
use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::{BtfTypeId, MapId};
use crate::object::name::object_name;
use crate::sys;

/// What the kernel says about a map, as far as links have to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapInfo {
    /// The id of the map.
    pub id: MapId,
    /// The name that it was created with, cut by the kernel to 15 bytes; empty if it is unnamed.
    pub name: CString,
    /// The kernel's type that the map's value is of, for a map of callbacks (`struct_ops`): a
    /// struct in the kernel's own BTF.
    pub btf_vmlinux_value_type_id: Option<BtfTypeId>,
}

/// Opens the map with this id, such as the one that a `struct_ops` link has.
///
/// The new descriptor keeps the map.
///
/// # Errors
///
/// As [`MapInfo::from_id`].
///
/// # Kernel
///
/// `BPF_MAP_GET_FD_BY_ID` since Linux 4.13.
pub fn open_map(id: MapId) -> Result<OwnedFd> {
    sys::map_get_fd_by_id(id.get()).map_err(|source| {
        CommandError::new(Command::MapGetFdById, Target::Map(id), source).classify_by_id()
    })
}

impl MapInfo {
    /// Asks what the kernel says about this map, which stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::NotAMap`]: it is something else (`EINVAL`, if it is no object of BPF).
    /// - [`Error::PermissionDenied`] (`EPERM`): before Linux 5.19, the caller lacks `CAP_BPF`.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET_INFO_BY_FD`, which ends in `bpf_map_get_info_by_fd` (7.3).
    pub fn of(map: &(impl AsFd + ?Sized)) -> Result<Self> {
        Self::read(map.as_fd(), Target::Descriptor)
    }

    /// Asks what the kernel says about the map with this id. Two system calls and one to close the
    /// map again.
    ///
    /// # Errors
    ///
    /// - [`Error::Vanished`] (`ENOENT`): no map has this id.
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_SYS_ADMIN` in the first user
    ///   namespace.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `BPF_MAP_GET_FD_BY_ID` since Linux 4.13, which ends in `bpf_map_get_fd_by_id` (7.3).
    pub fn from_id(id: MapId) -> Result<Self> {
        Self::read(open_map(id)?.as_fd(), Target::Map(id))
    }

    pub(crate) fn read(map: BorrowedFd<'_>, target: Target) -> Result<Self> {
        let info = match sys::map_info(map) {
            Ok(Some(info)) => info,
            Ok(None) => return Err(Error::NotAMap(target)),
            Err((command, source)) => {
                return Err(CommandError::new(command, target, source).classify());
            }
        };
        let number = |offset| info.u32_at(offset);
        let id = MapId::new(number(offset_of!(c::bpf_map_info, id)));
        Ok(Self {
            id: id.ok_or(Error::NotAMap(target))?,
            name: object_name(info.bytes_at(offset_of!(c::bpf_map_info, name))),
            btf_vmlinux_value_type_id: BtfTypeId::new(number(offset_of!(
                c::bpf_map_info,
                btf_vmlinux_value_type_id
            ))),
        })
    }
}
