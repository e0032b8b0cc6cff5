//! `struct_ops` maps: finding them, and reading what is in them.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use crate::btf::index::Index;
use crate::btf::types::{Malformed, Types};
use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::{BtfTypeId, MapId};
use crate::object::{MapInfo, open_map};
use crate::sys;

/// A `struct_ops` map, which has callbacks of a kernel subsystem. A
/// [`StructOps`](crate::LinkKind::StructOps) link attaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StructOpsMap {
    /// What the kernel says about the map.
    pub map: MapInfo,
    /// The name under which the callbacks are registered, such as that of a TCP congestion control
    /// or a queueing discipline. `None` if they have no name, or belong to a module.
    pub registered_name: Option<CString>,
    /// Whether the callbacks are in use without a link: those of a map that was created without
    /// `BPF_F_LINK` are, once the map has its value. `None` for callbacks of a module.
    pub is_used_without_link: Option<bool>,
}

impl StructOpsMap {
    /// Asks what is in this map; `None` if it is a map of another type.
    ///
    /// # Errors
    ///
    /// - As [`MapInfo::of`].
    /// - [`Error::Command`] with [`Command::ReadKernelTypes`] and `ENOENT`: the kernel was built
    ///   without its types.
    ///
    /// # Kernel
    ///
    /// `BPF_MAP_LOOKUP_ELEM`, which ends in `bpf_struct_ops_map_sys_lookup_elem` (7.3). The
    /// kernel's types (`/sys/kernel/btf/vmlinux`) tell where the value has the name; they are read
    /// once for each type.
    pub fn of(map: &(impl AsFd + ?Sized)) -> Result<Option<Self>> {
        Self::read(map.as_fd(), Target::Descriptor)
    }

    /// All `struct_ops` maps of this machine, in the order of their ids. Every map of the machine
    /// is opened for a moment.
    ///
    /// # Errors
    ///
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_SYS_ADMIN` in the first user
    ///   namespace.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    /// - As [`of`](Self::of).
    ///
    /// # Kernel
    ///
    /// `BPF_MAP_GET_NEXT_ID` since Linux 4.13, which ends in `bpf_obj_get_next_id` (7.3).
    pub fn all() -> Result<Vec<Self>> {
        let mut found = Vec::new();
        let mut last = 0;
        loop {
            match sys::map_get_next_id(last) {
                Ok(id) => last = id,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(found),
                Err(source) => {
                    let error = CommandError::new(Command::MapGetNextId, Target::Maps, source);
                    return Err(error.classify());
                }
            }
            let Some(id) = MapId::new(last) else { continue };
            match open_map(id).and_then(|map| Self::read(map.as_fd(), Target::Map(id))) {
                Ok(map) => found.extend(map),
                Err(Error::Vanished(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read(map: BorrowedFd<'_>, target: Target) -> Result<Option<Self>> {
        let info = MapInfo::read(map, target.clone())?;
        let Some(value_type) = info.btf_vmlinux_value_type_id else {
            return Ok(None);
        };
        let value = match sys::struct_ops_value(map) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(None),
            Err((command, source)) => {
                return Err(CommandError::new(command, target, source).classify());
            }
        };
        let layout = Layout::of(value_type).map_err(|source| {
            let target = Target::path(sys::KernelTypes::PATH.as_ref());
            CommandError::new(Command::ReadKernelTypes, target, source).classify()
        })?;
        Ok(Some(Self {
            map: info,
            registered_name: layout.name_in(&value),
            is_used_without_link: layout.state_in(&value).map(|state| state == Layout::IN_USE),
        }))
    }
}

/// The offsets of fields in the value of such a map.
#[derive(Clone, Copy, Debug, Default)]
struct Layout {
    name: Option<(usize, usize)>,
    state: Option<usize>,
}

impl Layout {
    /// `BPF_STRUCT_OPS_STATE_INUSE`: registered, and not by a link.
    const IN_USE: u32 = 1;

    /// The layout of this type of the kernel's, which stays the same while the kernel runs. Empty
    /// for a module's type.
    fn of(value_type: BtfTypeId) -> io::Result<Self> {
        static KNOWN: Mutex<Vec<(BtfTypeId, Layout)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, layout)) = known.iter().find(|(id, _)| *id == value_type) {
            return Ok(*layout);
        }
        let bytes = sys::KernelTypes::read()?;
        let layout = Self::find(&bytes, value_type.get())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        known.push((value_type, layout));
        Ok(layout)
    }

    fn find(bytes: &[u8], value_type: u32) -> Result<Self, Malformed> {
        let index = Index::new(Types::new(bytes)?, |_| {})?;
        let Some(value) = index.resolve(value_type) else {
            return Ok(Self::default());
        };
        // Most callbacks have a `name`; those of queueing disciplines have an `id` in its place.
        let name = ["data.name", "data.id"].into_iter().find_map(|path| {
            let member = index.member(&value, path)?;
            let len = index.bytes_of_array(member.type_id)?;
            Some((member.offset as usize, len as usize))
        });
        // Before Linux 6.9 the state is in the value itself.
        let state = ["common.state", "state"];
        let state = state
            .into_iter()
            .find_map(|path| index.member(&value, path));
        Ok(Self {
            name,
            state: state.map(|member| member.offset as usize),
        })
    }

    fn name_in(&self, value: &[u8]) -> Option<CString> {
        let (at, len) = self.name?;
        let bytes = value.get(at..at.checked_add(len)?)?;
        let name = bytes.split(|byte| *byte == 0).next()?;
        (!name.is_empty())
            .then(|| CString::new(name).ok())
            .flatten()
    }

    fn state_in(&self, value: &[u8]) -> Option<u32> {
        let bytes = value.get(self.state?..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    }
}
