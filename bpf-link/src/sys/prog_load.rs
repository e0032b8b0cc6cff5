//! `BPF_PROG_LOAD`, of the small programs that this crate is made to load.

use std::ffi::CStr;
use std::io;
use std::mem::offset_of;
use std::os::fd::OwnedFd;

use bpf_link_sys as c;

use super::{bpf_fd, len_of};
use crate::attach_type::AttachType;
use crate::object::program_type::ProgramType;

/// What a program is loaded for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramUse {
    pub(crate) program_type: ProgramType,
    /// The attach type that it is for; `None` if its type has no attach types.
    pub(crate) attach_type: Option<AttachType>,
    /// The id, in the kernel's BTF, of what it is for; 0 if it needs no such id.
    pub(crate) attach_btf_id: u32,
}

/// The kernel's arm of `bpf_attr` as far as programs without anything special need it, so without
/// padding.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    btf: [u32; 9],
    attach_btf_id: u32,
}

const _: () = {
    use c::bpf_attr__prog_type_struct as Kernel;
    assert!(offset_of!(LoadAttr, insns) == offset_of!(Kernel, insns));
    assert!(offset_of!(LoadAttr, license) == offset_of!(Kernel, license));
    assert!(offset_of!(LoadAttr, log_level) == offset_of!(Kernel, log_level));
    assert!(offset_of!(LoadAttr, log_size) == offset_of!(Kernel, log_size));
    assert!(offset_of!(LoadAttr, log_buf) == offset_of!(Kernel, log_buf));
    assert!(offset_of!(LoadAttr, prog_name) == offset_of!(Kernel, prog_name));
    assert!(offset_of!(LoadAttr, expected_attach_type) == offset_of!(Kernel, expected_attach_type));
    assert!(offset_of!(LoadAttr, btf) == offset_of!(Kernel, prog_btf_fd));
    assert!(offset_of!(LoadAttr, attach_btf_id) == offset_of!(Kernel, attach_btf_id));
    assert!(size_of::<LoadAttr>() == offset_of!(Kernel, attach_btf_id) + size_of::<u32>());
};

/// How often a program is loaded whose check a signal interrupts. A process that is sampled by a
/// timer gets many signals.
const ATTEMPTS: u32 = 100;

/// `BPF_PROG_LOAD` of these instructions under this name, which ends in a NUL. The verifier writes
/// to the log, unless that has no room at all.
///
/// The kernel gives up with `EAGAIN` when a signal arrives while it checks the program, and has
/// then done nothing.
pub(crate) fn prog_load(
    program: &ProgramUse,
    name: [u8; 16],
    instructions: &[c::bpf_insn],
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    let mut attempts = 1;
    loop {
        match load(program, name, instructions, log) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && attempts < ATTEMPTS => {
                attempts += 1;
            }
            loaded => return loaded,
        }
    }
}

fn load(
    program: &ProgramUse,
    name: [u8; 16],
    instructions: &[c::bpf_insn],
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"GPL";
    let too_long = |_| io::Error::from_raw_os_error(libc::E2BIG);
    let log_size = u32::try_from(log.len()).map_err(too_long)?;
    let mut attr = LoadAttr {
        prog_type: program.program_type.as_raw(),
        insn_cnt: u32::try_from(instructions.len()).map_err(too_long)?,
        insns: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: u32::from(log_size > 0),
        log_size,
        log_buf: if log_size > 0 {
            log.as_mut_ptr() as u64
        } else {
            0
        },
        kern_version: 0,
        prog_flags: 0,
        prog_name: name,
        prog_ifindex: 0,
        expected_attach_type: program.attach_type.map_or(0, AttachType::as_raw),
        btf: [0; 9],
        attach_btf_id: program.attach_btf_id,
    };
    // SAFETY:
    // - the attr has no padding, and all of it is initialised;
    // - its pointers are to as many instructions as `insn_cnt` says and to a string that ends with
    //   a NUL, which the kernel only reads, and to `log`, which is ours to write and as long as
    //   `log_size` says, or null; all are live for the call;
    // - `BPF_PROG_LOAD` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_PROG_LOAD, &mut attr) }
}

const _: () = assert!(len_of::<c::bpf_insn>() == 8);
