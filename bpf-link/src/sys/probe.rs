//! The system calls that ask whether a kernel has a kind of link: each is refused, or makes what
//! nobody else sees.

use std::ffi::CStr;
use std::io;
use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::create::zeroed;
use super::{LinkFd, bpf_fd, len_of, raw};
use crate::attach_type::AttachType;
use crate::object::program_type::ProgramType;

/// What a program is loaded as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeProgram {
    pub(crate) program_type: ProgramType,
    /// The attach type that it is for; `None` for types of programs that have none.
    pub(crate) attach_type: Option<AttachType>,
    /// The id in the kernel's own types of what it is for; 0 for none.
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
    log_and_flags: [u32; 6],
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
    assert!(offset_of!(LoadAttr, log_and_flags) == offset_of!(Kernel, log_level));
    assert!(offset_of!(LoadAttr, prog_name) == offset_of!(Kernel, prog_name));
    assert!(offset_of!(LoadAttr, expected_attach_type) == offset_of!(Kernel, expected_attach_type));
    assert!(offset_of!(LoadAttr, btf) == offset_of!(Kernel, prog_btf_fd));
    assert!(offset_of!(LoadAttr, attach_btf_id) == offset_of!(Kernel, attach_btf_id));
    assert!(size_of::<LoadAttr>() == offset_of!(Kernel, attach_btf_id) + size_of::<u32>());
};

/// How often a program is loaded whose check a signal interrupts. A process that is sampled by a
/// timer gets many signals.
const ATTEMPTS: u32 = 100;

/// `BPF_PROG_LOAD` of a program that returns 0 and does nothing else, which every type of program
/// may.
///
/// The kernel gives up with `EAGAIN` when a signal arrives while it checks the program, and has
/// then done nothing.
pub(crate) fn load_probe(program: &ProbeProgram) -> io::Result<OwnedFd> {
    let mut attempts = 1;
    loop {
        match load(program) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && attempts < ATTEMPTS => {
                attempts += 1;
            }
            loaded => return loaded,
        }
    }
}

fn load(program: &ProbeProgram) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"GPL";
    /// `r0 = 0` and `exit`: an opcode, and zeros.
    const INSTRUCTIONS: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let mut attr = LoadAttr {
        prog_type: program.program_type.as_raw(),
        insn_cnt: 2,
        insns: INSTRUCTIONS.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_and_flags: [0; 6],
        prog_name: *b"bpf_link_probe\0\0",
        prog_ifindex: 0,
        expected_attach_type: program.attach_type.map_or(0, AttachType::as_raw),
        btf: [0; 9],
        attach_btf_id: program.attach_btf_id,
    };
    // SAFETY:
    // - the attr has no padding, and all of it is initialised;
    // - its pointers are to two instructions of 8 bytes, as many as `insn_cnt` says, and to a
    //   string that ends with a NUL; both are constants, and the kernel only reads them;
    // - `BPF_PROG_LOAD` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_PROG_LOAD, &mut attr) }
}

/// The kernel's arm of `bpf_attr` as far as a `struct_ops` map needs it, so without padding.
#[repr(C)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name_and_types: [u32; 10],
    btf_vmlinux_value_type_id: u32,
}

const _: () = {
    use c::bpf_attr__map_type_struct as Kernel;
    assert!(offset_of!(MapAttr, map_flags) == offset_of!(Kernel, map_flags));
    assert!(offset_of!(MapAttr, name_and_types) == offset_of!(Kernel, inner_map_fd));
    assert!(
        offset_of!(MapAttr, btf_vmlinux_value_type_id)
            == offset_of!(Kernel, btf_vmlinux_value_type_id)
    );
};

/// `BPF_MAP_CREATE` of a `struct_ops` map for links, with this type of the kernel's for its value.
pub(crate) fn create_struct_ops_map(value_type: u32) -> io::Result<OwnedFd> {
    let mut attr = MapAttr {
        map_type: c::BPF_MAP_TYPE_STRUCT_OPS,
        key_size: len_of::<u32>(),
        value_size: len_of::<u64>(),
        max_entries: 1,
        map_flags: c::BPF_F_LINK,
        name_and_types: [0; 10],
        btf_vmlinux_value_type_id: value_type,
    };
    // SAFETY:
    // - the attr is integers without padding, all initialised, and has no pointers;
    // - `BPF_MAP_CREATE` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_MAP_CREATE, &mut attr) }
}

/// `BPF_LINK_CREATE` with arguments that are nowhere, for the kinds that have arguments which the
/// kernel copies first: it answers `EFAULT`, or `E2BIG` as there are too many.
pub(crate) fn link_create_from_nowhere(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
) -> io::Result<LinkFd> {
    const NOWHERE: u64 = u64::MAX;
    const TOO_MANY: u32 = u32::MAX;
    let mut attr = zeroed();
    attr.prog_fd_union.prog_fd = raw(program);
    attr.attach_type = attach_type.as_raw();
    let arm = &mut attr.target_btf_id_union;
    match attach_type {
        AttachType::TraceIter => {
            arm.iter_info_struct.iter_info = NOWHERE;
            arm.iter_info_struct.iter_info_len = TOO_MANY;
        }
        AttachType::TraceKprobeMulti => {
            arm.kprobe_multi.addrs = NOWHERE;
            // What is too many for some kernels, others make room for first.
            arm.kprobe_multi.cnt = 1;
        }
        AttachType::TraceFentryMulti => {
            arm.tracing_multi.ids = NOWHERE;
            arm.tracing_multi.cnt = TOO_MANY;
        }
        _ => {}
    }
    // SAFETY:
    // - the attr is integers and a union without padding between them; it was all zeros before its
    //   fields were set;
    // - its one pointer is null or to the last byte of the address space, which no process has, so
    //   that the kernel's copy from it fails; the command only reads;
    // - `BPF_LINK_CREATE` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_LINK_CREATE, &mut attr) }.map(LinkFd::new)
}
