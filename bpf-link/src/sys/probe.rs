//! The system calls that ask whether a kernel has a kind of link: each is refused, or makes what
//! nobody else sees.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::create::zeroed;
use super::map_create::{MapAttr, map_create};
use super::prog_load::{ProgramUse, prog_load};
use super::{LinkFd, bpf_fd, len_of, raw};
use crate::attach_type::AttachType;

/// `BPF_PROG_LOAD` of a program that returns 0 and does nothing else, which every type of program
/// may.
pub(crate) fn load_probe(program: &ProgramUse) -> io::Result<OwnedFd> {
    let instruction = |code| c::bpf_insn {
        code,
        _bitfield_1: c::bpf_insn::new_bitfield_1(0, 0),
        off: 0,
        imm: 0,
    };
    // `r0 = 0` and `exit`.
    let instructions = [instruction(0xb7), instruction(0x95)];
    prog_load(program, *b"bpf_link_probe\0\0", &instructions, &mut [])
}

/// Creates a `struct_ops` map for links, with this type of the kernel's for its value.
pub(crate) fn create_struct_ops_map(value_type: u32) -> io::Result<OwnedFd> {
    map_create(MapAttr {
        map_type: c::BPF_MAP_TYPE_STRUCT_OPS,
        key_size: len_of::<u32>(),
        value_size: len_of::<u64>(),
        max_entries: 1,
        map_flags: c::BPF_F_LINK,
        btf_vmlinux_value_type_id: value_type,
        ..MapAttr::default()
    })
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
        AttachType::TraceKprobeMulti | AttachType::TraceKprobeSession => {
            arm.kprobe_multi.addrs = NOWHERE;
            // What is too many for some kernels, others make room for first.
            arm.kprobe_multi.cnt = 1;
        }
        AttachType::TraceFentryMulti
        | AttachType::TraceFexitMulti
        | AttachType::TraceFsessionMulti => {
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
