//! Loading programs and BTF.

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys::{BPF_BTF_LOAD, BPF_PROG_LOAD, bpf_attach_type, bpf_insn, bpf_prog_type};

use super::{address, address_mut, bpf_fd, length, number, object_name, zeroed_attr};

/// What `BPF_PROG_LOAD` is told of a program.
#[derive(Clone, Copy)]
pub struct ProgramLoad<'a> {
    /// The type of the program.
    pub program_type: bpf_prog_type,
    /// Its name, which the kernel cuts to 15 bytes.
    pub name: &'a str,
    /// The attach type that it is loaded for; 0 for types of programs that have none.
    pub expected_attach_type: bpf_attach_type,
    /// The id in BTF of the function, type or iterator that it attaches to; 0 for none.
    pub attach_btf_id: u32,
    /// The program, or BTF object, whose function `attach_btf_id` is; none for the kernel's own.
    pub attach_object: Option<BorrowedFd<'a>>,
    /// `BPF_F_SLEEPABLE` and its like.
    pub flags: u32,
    /// The index of the device that it is for; 0 for any.
    pub device: u32,
    /// BTF that describes the program, and the id in it of the program's function.
    pub function_type: Option<(BorrowedFd<'a>, u32)>,
    /// The instructions.
    pub instructions: &'a [bpf_insn],
}

impl fmt::Debug for ProgramLoad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramLoad")
            .field("program_type", &self.program_type)
            .field("name", &self.name)
            .field("expected_attach_type", &self.expected_attach_type)
            .field("attach_btf_id", &self.attach_btf_id)
            .field("attach_object", &self.attach_object)
            .field("flags", &self.flags)
            .field("device", &self.device)
            .field("function_type", &self.function_type)
            .finish_non_exhaustive()
    }
}

/// `BPF_PROG_LOAD`, under the GPL. The verifier's words go to `log`, if it has room.
///
/// # Errors
///
/// What the kernel answered; `EACCES` and `EINVAL` are most often the verifier's verdict.
pub fn prog_load(load: &ProgramLoad<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"GPL";

    let mut attr = zeroed_attr();
    attr.prog_type_struct.prog_type = load.program_type;
    attr.prog_type_struct.insn_cnt = length(load.instructions)?;
    attr.prog_type_struct.insns = address(load.instructions);
    attr.prog_type_struct.license = address(LICENSE.to_bytes_with_nul());
    attr.prog_type_struct.prog_name = object_name(load.name);
    attr.prog_type_struct.expected_attach_type = load.expected_attach_type;
    attr.prog_type_struct.attach_btf_id = load.attach_btf_id;
    attr.prog_type_struct.prog_flags = load.flags;
    attr.prog_type_struct.prog_ifindex = load.device;
    if let Some(object) = load.attach_object {
        // The same field as `attach_btf_obj_fd`.
        attr.prog_type_struct.attach_prog_fd_union.attach_prog_fd = number(object);
    }
    // A `bpf_func_info`: the program is one function, which begins with instruction 0.
    let function = load.function_type.map(|(_, type_id)| [0, type_id]);
    if let (Some((btf, _)), Some(function)) = (load.function_type, &function) {
        attr.prog_type_struct.prog_btf_fd = number(btf);
        attr.prog_type_struct.func_info = address(function);
        attr.prog_type_struct.func_info_cnt = 1;
        attr.prog_type_struct.func_info_rec_size =
            u32::try_from(size_of_val(function)).map_err(io::Error::other)?;
    }
    if !log.is_empty() {
        attr.prog_type_struct.log_level = 1;
        attr.prog_type_struct.log_size = length(log)?;
        attr.prog_type_struct.log_buf = address_mut(log);
    }
    // SAFETY:
    // - `insns` points to `insn_cnt` instructions, `license` to a string with its NUL; the kernel
    //   reads them.
    // - `func_info` is null, or points to one structure, of which the sizes beside it say so; the
    //   kernel reads it.
    // - `log_buf` is null, or points to `log_size` bytes that this function has exclusively.
    // - The other pointers of the arm are null. What the arm points to outlives the call.
    // - The command returns a new descriptor.
    unsafe { bpf_fd(BPF_PROG_LOAD, &mut attr) }
}

/// `BPF_BTF_LOAD` of a whole BTF blob.
///
/// # Errors
///
/// What the kernel answered; `EINVAL` where it is not well-formed.
pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.btf_struct.btf = address(btf);
    attr.btf_struct.btf_size = length(btf)?;
    // SAFETY:
    // - `btf` points to `btf_size` bytes, which outlive the call; the kernel reads them. There is
    //   no log buffer.
    // - The command returns a new descriptor.
    unsafe { bpf_fd(BPF_BTF_LOAD, &mut attr) }
}
