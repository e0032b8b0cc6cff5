//! Whether the kernel has links of tracing programs: asked with a program that is loaded and not
//! attached.

use std::io;

use super::answer::{Answer, untold};
use super::{kernel_types, program};
use crate::attach_type::AttachType;
use crate::error::{Command, Result};
use crate::kind::LinkKind;
use crate::object::program_type::ProgramType;
use crate::sys::ProgramUse;

/// A function that every kernel has, and that can be traced.
const FUNCTION: &str = "vfs_read";

/// No creation of such a link is refused in a way that tells anything. But to load the program the
/// kernel looks up the function and gets ready to trace it.
///
/// Whether the kernel has the code that calls the program from the function is not looked at before
/// it is attached. For x86-64 it came before such links.
pub(super) fn ask() -> Result<Answer> {
    const KIND: LinkKind = LinkKind::Tracing;
    let attach_btf_id = kernel_types::function(KIND, FUNCTION)?;
    let program = ProgramUse {
        program_type: ProgramType::Tracing,
        attach_type: Some(AttachType::TraceFentry),
        attach_btf_id,
    };
    match program::load(KIND, &program)? {
        Err(answer) => Ok(answer),
        Ok(_) if cfg!(target_arch = "x86_64") => Ok(Answer::Yes),
        Ok(_) => {
            let why = "on this processor only an attachment shows whether a program can be called";
            let source = io::Error::new(io::ErrorKind::Unsupported, why);
            untold(KIND, Command::RawTracepointOpen, source)
        }
    }
}
