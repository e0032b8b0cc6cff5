//! What the kernel says about a BTF object.

use std::ffi::{CStr, CString};

use crate::error::{Command, CommandError, Result, Target};
use crate::id::BtfId;
use crate::sys::{BtfAnswer, BtfFd};

/// What the kernel says about a BTF object: the types of the kernel, of a module or of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BtfInfo {
    /// The id of the object.
    pub id: BtfId,
    /// `vmlinux` for the types of the kernel itself, the name of a module for a module's; empty for
    /// those that were loaded with a program. `None` before Linux 5.11.
    pub name: Option<CString>,
    /// Whether these are types of the kernel or of a module. `None` before Linux 5.11.
    pub is_kernel: Option<bool>,
    /// How many bytes the types are.
    pub size: u32,
}

impl BtfInfo {
    /// Asks what the kernel says about the BTF object with this id. Two or three system calls, and
    /// one to close it again.
    ///
    /// # Errors
    ///
    /// - [`Error::Vanished`](crate::Error::Vanished) (`ENOENT`): no BTF object has this id.
    /// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///   `CAP_SYS_ADMIN` in the first user namespace.
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left.
    ///
    /// # Kernel
    ///
    /// `BPF_BTF_GET_FD_BY_ID` since Linux 4.18, which ends in `btf_get_fd_by_id` (7.3).
    pub fn from_id(id: BtfId) -> Result<Self> {
        let btf = open(id)?;
        let answer = ask(&btf, id, &mut [], &mut [])?;
        let name = match answer.name_len {
            None => None,
            Some(0) => Some(CString::default()),
            Some(len) => {
                let mut name = vec![0; len as usize + 1];
                ask(&btf, id, &mut name, &mut [])?;
                let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
                Some(name.to_owned())
            }
        };
        Ok(Self {
            id,
            name,
            is_kernel: answer.is_kernel,
            size: answer.size,
        })
    }

    /// The types of the BTF object with this id, as the kernel has them: in the format that the
    /// kernel's documentation describes (`bpf/btf.rst`). A module's refer to those of the kernel.
    ///
    /// # Errors
    ///
    /// As [`from_id`](Self::from_id).
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET_INFO_BY_FD`, which ends in `btf_get_info_by_fd` (7.3).
    pub fn read_types(id: BtfId) -> Result<Vec<u8>> {
        let btf = open(id)?;
        let answer = ask(&btf, id, &mut [], &mut [])?;
        let mut types = vec![0; answer.size as usize];
        ask(&btf, id, &mut [], &mut types)?;
        Ok(types)
    }
}

fn open(id: BtfId) -> Result<BtfFd> {
    BtfFd::open(id.get()).map_err(|source| {
        CommandError::new(Command::BtfGetFdById, Target::Btf(id), source).classify_by_id()
    })
}

fn ask(btf: &BtfFd, id: BtfId, name: &mut [u8], types: &mut [u8]) -> Result<BtfAnswer> {
    btf.info(name, types).map_err(|source| {
        CommandError::new(Command::ObjGetInfoByFd, Target::Btf(id), source).classify()
    })
}
