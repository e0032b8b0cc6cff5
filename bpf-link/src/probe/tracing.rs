//! Whether the kernel has links of tracing programs: asked with a program that is loaded, and where
//! that does not tell, attached for a moment.

use std::mem::offset_of;
use std::os::fd::{AsFd as _, OwnedFd};

use bpf_link_sys::bpf_prog_info;

use super::answer::{Answer, untold};
use super::{kernel_types, program};
use crate::args::RawTracepointOpen;
use crate::attach_type::AttachType;
use crate::error::{Command, Result};
use crate::kind::LinkKind;
use crate::object::program_type::ProgramType;
use crate::sys::{self, ProgramUse};

const KIND: LinkKind = LinkKind::Tracing;

/// Whether every kernel for this processor that has such links also has the code that calls a
/// program from a function.
const IS_LOADED_ONLY: bool = cfg!(target_arch = "x86_64");

/// A function that every kernel has and that can be traced. Where the probe attaches a program, it
/// is one that only `BPF_PROG_TEST_RUN` of a tracing program calls.
const FUNCTION: &str = if IS_LOADED_ONLY {
    "vfs_read"
} else {
    "bpf_fentry_test1"
};

/// No creation of such a link is refused in a way that tells anything. But to load the program the
/// kernel looks up the function and gets ready to trace it.
///
/// The kernel checks only on attaching whether it has the code that calls the program from the
/// function.
pub(super) fn ask() -> Result<Answer> {
    let traced = ProgramUse {
        program_type: ProgramType::Tracing,
        attach_type: Some(AttachType::TraceFentry),
        attach_btf_id: kernel_types::function(KIND, FUNCTION)?,
    };
    match program::load(KIND, &traced) {
        Ok(Ok(_)) if IS_LOADED_ONLY => Ok(Answer::Yes),
        Ok(Ok(program)) => attach(&program),
        Ok(Err(answer)) => Ok(answer),
        Err(error) if error.errno() == Some(libc::ENOMEM) && lacks_jit() => Ok(Answer::NoJit),
        Err(error) => Err(error),
    }
}

/// Attaches the program, which is then on a function that nobody calls, and takes it off again.
fn attach(program: &OwnedFd) -> Result<Answer> {
    const ATTACH: Command = Command::RawTracepointOpen;
    match sys::raw_tracepoint_open(&RawTracepointOpen::load_time_target(program)) {
        Ok(_) => Ok(Answer::Yes),
        Err(source) => match source.raw_os_error() {
            Some(errno @ (sys::ENOTSUPP | libc::EOPNOTSUPP)) => Ok(Answer::No(ATTACH, errno)),
            _ => untold(KIND, ATTACH, source),
        },
    }
}

/// Whether a program that needs no JIT can be loaded, and is not compiled.
fn lacks_jit() -> bool {
    const COMPILED_LEN: usize = offset_of!(bpf_prog_info, jited_prog_len);
    let plain = ProgramUse {
        program_type: ProgramType::SocketFilter,
        attach_type: None,
        attach_btf_id: 0,
    };
    let Ok(program) = sys::load_probe(&plain) else {
        return false;
    };
    let info = sys::prog_info(program.as_fd()).ok().flatten();
    info.and_then(|info| info.bytes_at(COMPILED_LEN)) == Some([0; 4])
}
