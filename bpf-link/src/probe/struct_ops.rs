//! Whether the kernel has links of `struct_ops`: asked with maps that it cannot make.

use std::io;
use std::os::fd::OwnedFd;

use super::answer::{Answer, untold};
use crate::error::{Command, Result};
use crate::kind::LinkKind;
use crate::object::program_type::ProgramType;
use crate::sys::{self, ProgramUse};

/// The number of a type that no `struct_ops` has: the last that the kernel takes.
const NO_TYPE: u32 = 0x000f_ffff;

/// A kernel that has maps for links looks for the type of the value, one that has not refuses the
/// flag before.
///
/// It cannot find the type either if it has no types at all, and then there are no `struct_ops`: a
/// program tells the two apart, whose type it looks for as well.
pub(super) fn ask() -> Result<Answer> {
    let program = ProgramUse {
        program_type: ProgramType::StructOps,
        attach_type: None,
        attach_btf_id: NO_TYPE,
    };
    let map = judge(Command::MapCreate, sys::create_struct_ops_map(NO_TYPE))?;
    match map {
        Answer::Yes => judge(Command::ProgLoad, sys::load_probe(&program)),
        Answer::No(..) | Answer::NoJit => Ok(map),
    }
}

fn judge(command: Command, made: io::Result<OwnedFd>) -> Result<Answer> {
    match made {
        Ok(_) => Ok(Answer::Yes),
        Err(source) => match source.raw_os_error() {
            Some(sys::ENOTSUPP) => Ok(Answer::Yes),
            Some(errno @ libc::EINVAL) => Ok(Answer::No(command, errno)),
            _ => untold(LinkKind::StructOps, command, source),
        },
    }
}
