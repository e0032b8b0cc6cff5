//! The whole name of a program. The kernel itself keeps only the first 15 bytes.

use std::ffi::CString;
use std::os::fd::AsFd as _;

use bpf_link_sys as c;

use crate::btf::Btf;
use crate::error::{Command, CommandError, Result, Target};
use crate::id::BtfTypeId;
use crate::object::{ProgramInfo, open_program};
use crate::sys;

/// The number of bytes of a name that the kernel keeps.
const KEPT: usize = c::BPF_OBJ_NAME_LEN as usize - 1;

impl ProgramInfo {
    /// The whole name of the program. The kernel keeps 15 bytes of it; for a name of that length,
    /// the rest comes from the function's name in the program's BTF, which is read each time.
    ///
    /// Returns the [`name`](Self::name) if the program has no BTF, or its function has another
    /// name.
    ///
    /// # Errors
    ///
    /// Only for a name that may have been cut:
    ///
    /// - [`Error::Vanished`](crate::Error::Vanished) (`ENOENT`): the program has gone.
    /// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///   `CAP_SYS_ADMIN` in the first user namespace.
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left.
    /// - As [`Btf::from_id`].
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET_INFO_BY_FD` with room for one function (`bpf_func_info`), since Linux 5.0.
    pub fn whole_name(&self) -> Result<CString> {
        let may_be_cut = self.name.as_bytes().len() == KEPT;
        let Some(types) = self.btf_id.filter(|_| may_be_cut) else {
            return Ok(self.name.clone());
        };
        let program = open_program(self.id)?;
        let function = sys::prog_function(program.as_fd()).map_err(|source| {
            let target = Target::Program(self.id);
            CommandError::new(Command::ObjGetInfoByFd, target, source).classify()
        })?;
        let Some(function) = function.and_then(BtfTypeId::new) else {
            return Ok(self.name.clone());
        };
        let types = Btf::from_id(types)?;
        let name = types.function_name(function);
        let name = name.filter(|name| name.as_bytes().starts_with(self.name.as_bytes()));
        let whole = name.and_then(|name| CString::new(name).ok());
        Ok(whole.unwrap_or_else(|| self.name.clone()))
    }
}
