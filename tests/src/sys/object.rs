//! What programs, maps and links have in common: information, ids, pins.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys::{
    BPF_BTF_GET_FD_BY_ID, BPF_BTF_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID, BPF_LINK_GET_NEXT_ID,
    BPF_MAP_GET_FD_BY_ID, BPF_MAP_GET_NEXT_ID, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_PIN,
    BPF_PROG_GET_FD_BY_ID, BPF_PROG_GET_NEXT_ID, bpf_cmd, bpf_link_info, bpf_map_info,
    bpf_prog_info,
};

use super::{address, bpf, bpf_fd, number, zeroed_attr};

/// A structure that `BPF_OBJ_GET_INFO_BY_FD` fills in.
///
/// # Safety
///
/// The type is made of integers and arrays of integers, so that any bytes are a value of it; and
/// zeros in it lend the kernel no buffer.
unsafe trait Info: Copy {}

// SAFETY: integers only; its buffers are pointers with counts, and no buffer is lent where those
// are zero.
unsafe impl Info for bpf_prog_info {}
// SAFETY: integers only; its buffers are pointers with counts, and no buffer is lent where those
// are zero.
unsafe impl Info for bpf_map_info {}
// SAFETY: bytes; and in the structure that they stand for, too, zeros lend no buffer.
unsafe impl Info for [u8; size_of::<bpf_link_info>()] {}

/// `BPF_OBJ_GET_INFO_BY_FD`, all zeros going in; also the length that the kernel says.
fn info<T: Info>(fd: BorrowedFd<'_>) -> io::Result<(T, u32)> {
    // SAFETY: zeros are a value of every `Info`.
    let mut info: T = unsafe { std::mem::zeroed() };
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = number(fd);
    attr.info.info_len = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    attr.info.info = std::ptr::from_mut(&mut info) as u64;
    // SAFETY:
    // - `info` points to `info_len` bytes that are live and this function's own. The kernel writes
    //   no more than those, and whatever it writes is a value of `T`.
    // - Zeros in `info` lend no further buffer.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    // SAFETY: the arm is integers, which every byte that the kernel may have written is a value of.
    let arm = unsafe { attr.info };
    Ok((info, arm.info_len))
}

/// What the kernel says of a program.
///
/// # Errors
///
/// What the kernel answered.
pub fn prog_info(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    info(program).map(|(info, _)| info)
}

/// What the kernel says of a map.
///
/// # Errors
///
/// What the kernel answered.
pub fn map_info(map: BorrowedFd<'_>) -> io::Result<bpf_map_info> {
    info(map).map(|(info, _)| info)
}

/// What the kernel says of a link, without names and arrays: the bytes of a `bpf_link_info`, of
/// which each kind has its own fields from byte 16 on.
///
/// # Errors
///
/// What the kernel answered.
pub fn link_info(link: BorrowedFd<'_>) -> io::Result<[u8; size_of::<bpf_link_info>()]> {
    info(link).map(|(info, _)| info)
}

/// As [`link_info`], and no more bytes than the kernel says that it has.
///
/// # Errors
///
/// What the kernel answered.
pub fn link_info_bytes(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let (info, len): ([u8; size_of::<bpf_link_info>()], u32) = info(link)?;
    let mut bytes = info.to_vec();
    bytes.truncate(usize::try_from(len).map_err(io::Error::other)?);
    Ok(bytes)
}

/// One of the kernel's sequences of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdSpace {
    /// Programs.
    Program,
    /// Maps.
    Map,
    /// Links.
    Link,
    /// BTF objects.
    Btf,
}

impl IdSpace {
    fn next_command(self) -> bpf_cmd {
        match self {
            Self::Program => BPF_PROG_GET_NEXT_ID,
            Self::Map => BPF_MAP_GET_NEXT_ID,
            Self::Link => BPF_LINK_GET_NEXT_ID,
            Self::Btf => BPF_BTF_GET_NEXT_ID,
        }
    }

    fn open_command(self) -> bpf_cmd {
        match self {
            Self::Program => BPF_PROG_GET_FD_BY_ID,
            Self::Map => BPF_MAP_GET_FD_BY_ID,
            Self::Link => BPF_LINK_GET_FD_BY_ID,
            Self::Btf => BPF_BTF_GET_FD_BY_ID,
        }
    }
}

/// The smallest id above `start`; none where there is none.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn next_id(space: IdSpace, start: u32) -> io::Result<Option<u32>> {
    let mut attr = zeroed_attr();
    attr.start_id_struct.start_id_union.start_id = start;
    // SAFETY: the command's arm has no pointer.
    match unsafe { bpf(space.next_command(), &mut attr) } {
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(error) => return Err(error),
    }
    // SAFETY: the arm is integers, which every byte that the kernel may have written is a value of.
    let arm = unsafe { attr.start_id_struct };
    Ok(Some(arm.next_id))
}

/// A new descriptor of the object that has this id.
///
/// # Errors
///
/// What the kernel answered; `ENOENT` where there is none, `EAGAIN` for a link that is still being
/// attached.
pub fn fd_by_id(space: IdSpace, id: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.start_id_struct.start_id_union.start_id = id;
    // SAFETY: the command's arm has no pointer, and it returns a new descriptor.
    unsafe { bpf_fd(space.open_command(), &mut attr) }
}

/// `BPF_OBJ_PIN`, for a program, a map or a link.
///
/// # Errors
///
/// What the kernel answered.
pub fn obj_pin(object: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let mut attr = zeroed_attr();
    attr.pathname_struct.pathname = address(path.to_bytes_with_nul());
    attr.pathname_struct.bpf_fd = number(object);
    // SAFETY: `pathname` points to a string with its NUL that outlives the call; the kernel reads
    // it.
    unsafe { bpf(BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// `BPF_OBJ_GET`: a new descriptor of whatever is pinned there.
///
/// # Errors
///
/// What the kernel answered.
pub fn obj_get(path: &CStr) -> io::Result<OwnedFd> {
    obj_get_with(path, 0)
}

/// `BPF_OBJ_GET` with flags.
///
/// # Errors
///
/// What the kernel answered.
pub fn obj_get_with(path: &CStr, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.pathname_struct.file_flags = flags;
    attr.pathname_struct.pathname = address(path.to_bytes_with_nul());
    // SAFETY:
    // - `pathname` points to a string with its NUL that outlives the call; the kernel reads it.
    // - The command returns a new descriptor.
    unsafe { bpf_fd(BPF_OBJ_GET, &mut attr) }
}
