//! What the kernel says about a program.

use std::ffi::CString;
use std::fmt;
use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use bpf_link_sys as c;

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::{BtfId, BtfTypeId, ProgramId};
use crate::object::name::object_name;
use crate::object::program_type::ProgramType;
use crate::sys;

/// What the kernel says about a program, as far as links have to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramInfo {
    /// The id of the program.
    pub id: ProgramId,
    /// What sort of hook it was loaded for.
    pub program_type: ProgramType,
    /// A digest of its instructions.
    pub tag: ProgramTag,
    /// The name that it was loaded with, cut by the kernel to 15 bytes; empty if it is unnamed.
    pub name: CString,
    /// When it was loaded, as the time since the machine was started (`CLOCK_BOOTTIME`).
    pub loaded_at: Duration,
    /// The user who loaded it.
    pub created_by_uid: u32,
    /// The types of the program itself, if it was loaded with them.
    pub btf_id: Option<BtfId>,
    /// The BTF object of what it was loaded to be attached to; `None` if that has no type, or
    /// before Linux 6.0.
    pub attach_btf_obj_id: Option<BtfId>,
    /// The type, in that BTF object, of what it was loaded to be attached to. Since Linux 6.0.
    pub attach_btf_id: Option<BtfTypeId>,
}

/// A digest of a program's instructions: the same for the same program, loaded again; without its
/// maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgramTag(pub [u8; 8]);

/// Writes it in hexadecimal digits, as `bpftool` does.
impl fmt::Display for ProgramTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Opens the program with this id, such as the one that a link has: to expect it in an update
/// ([`Update::expecting`](crate::Update::expecting)), or to attach it again.
///
/// The new descriptor keeps the program.
///
/// # Errors
///
/// As [`ProgramInfo::from_id`].
///
/// # Kernel
///
/// `BPF_PROG_GET_FD_BY_ID` since Linux 4.13.
pub fn open_program(id: ProgramId) -> Result<OwnedFd> {
    sys::prog_get_fd_by_id(id.get()).map_err(|source| {
        CommandError::new(Command::ProgGetFdById, Target::Program(id), source).classify_by_id()
    })
}

impl ProgramInfo {
    /// Asks what the kernel says about this program, which stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::NotAProgram`] (`EINVAL`): it is something else.
    /// - [`Error::PermissionDenied`] (`EPERM`): before Linux 5.19, the caller lacks `CAP_BPF`.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET_INFO_BY_FD`, which ends in `bpf_prog_get_info_by_fd` (7.3). Before, a command
    /// that changes nothing makes sure that it is a program: `BPF_PROG_BIND_MAP` without a map,
    /// since Linux 5.10.
    pub fn of(program: &(impl AsFd + ?Sized)) -> Result<Self> {
        Self::read(program.as_fd(), Target::Descriptor)
    }

    /// Asks what the kernel says about the program with this id. Two system calls and one to close
    /// the program again.
    ///
    /// # Errors
    ///
    /// - [`Error::Vanished`] (`ENOENT`): no program has this id.
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_SYS_ADMIN` in the first user
    ///   namespace.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_GET_FD_BY_ID` since Linux 4.13, which ends in `bpf_prog_get_fd_by_id` (7.3).
    pub fn from_id(id: ProgramId) -> Result<Self> {
        Self::read(open_program(id)?.as_fd(), Target::Program(id))
    }

    fn read(program: BorrowedFd<'_>, target: Target) -> Result<Self> {
        let info = match sys::prog_info(program) {
            Ok(Some(info)) => info,
            Ok(None) => return Err(Error::NotAProgram(target)),
            Err((command, source)) => {
                return Err(CommandError::new(command, target, source).classify());
            }
        };
        let number = |offset| info.u32_at(offset);
        let id = ProgramId::new(number(offset_of!(c::bpf_prog_info, id)));
        Ok(Self {
            id: id.ok_or(Error::NotAProgram(target))?,
            program_type: ProgramType::from_raw(number(offset_of!(c::bpf_prog_info, type_))),
            tag: ProgramTag(
                info.bytes_at(offset_of!(c::bpf_prog_info, tag))
                    .unwrap_or_default(),
            ),
            name: object_name(info.bytes_at(offset_of!(c::bpf_prog_info, name))),
            loaded_at: Duration::from_nanos(info.u64_at(offset_of!(c::bpf_prog_info, load_time))),
            created_by_uid: number(offset_of!(c::bpf_prog_info, created_by_uid)),
            btf_id: BtfId::new(number(offset_of!(c::bpf_prog_info, btf_id))),
            attach_btf_obj_id: BtfId::new(number(offset_of!(c::bpf_prog_info, attach_btf_obj_id))),
            attach_btf_id: BtfTypeId::new(number(offset_of!(c::bpf_prog_info, attach_btf_id))),
        })
    }
}
