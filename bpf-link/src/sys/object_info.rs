//! `BPF_OBJ_GET_INFO_BY_FD` of what is no link: programs and maps.

use std::io;
use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bpf_link_sys as c;

use super::errno::ENOTSUPP;
use super::link::is_link;
use super::{NO_DESCRIPTOR, bpf, len_of, raw};
use crate::error::Command;

/// The command that was refused, and why.
pub(crate) type Refused = (Command, io::Error);

/// Room for the info of any object: a program's is the longest.
const ROOM: usize = size_of::<c::bpf_prog_info>();

/// The bytes of an object's info, as far as the kernel has written them.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct ObjectInfo {
    bytes: [u8; ROOM],
    len: usize,
}

impl ObjectInfo {
    /// The bytes from this offset; `None` if the kernel has not written all of them.
    pub(crate) fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let written = self.bytes.get(..self.len)?;
        written.get(offset..)?.first_chunk().copied()
    }

    /// The 32-bit field at this offset; 0 if the kernel has not written it.
    pub(crate) fn u32_at(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes_at(offset).unwrap_or_default())
    }

    /// The 64-bit field at this offset; 0 if the kernel has not written it.
    pub(crate) fn u64_at(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.bytes_at(offset).unwrap_or_default())
    }
}

/// What the kernel says about an object, without arrays.
fn object_info(object: BorrowedFd<'_>) -> io::Result<ObjectInfo> {
    let mut info = ObjectInfo {
        bytes: [0; ROOM],
        len: 0,
    };
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(object),
        info_len: len_of::<c::bpf_prog_info>(),
        info: info.bytes.as_mut_ptr() as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is to `info.bytes`, which are live for the call, as long as `info_len`
    //   says, and ours to write; they are zeros, so whatever the object is, there is no pointer in
    //   them for the kernel to follow.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    info.len = attr.info_len as usize;
    Ok(info)
}

/// What the kernel says about a program; `None` if the object is not a program.
pub(crate) fn prog_info(program: BorrowedFd<'_>) -> Result<Option<ObjectInfo>, Refused> {
    if is_program(program).map_err(|source| (Command::ProgBindMap, source))? {
        let info = object_info(program).map_err(|source| (Command::ObjGetInfoByFd, source))?;
        Ok(Some(info))
    } else {
        Ok(None)
    }
}

/// The id of the program's first function in the program's BTF; `None` if the program has no BTF,
/// or the kernel does not tell this caller. The descriptor has to be that of a program.
pub(crate) fn prog_function(program: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    /// A `struct bpf_func_info`: the first instruction, and the number of the function.
    type Function = [u32; 2];
    let mut function: Function = [0; 2];
    let mut info = [0; ROOM];
    let mut put = |offset, bytes: &[u8]| {
        let field = info.get_mut(offset..offset + bytes.len());
        field.map(|field| field.copy_from_slice(bytes))
    };
    let address = function.as_mut_ptr() as u64;
    let filled = [
        put(
            offset_of!(c::bpf_prog_info, nr_func_info),
            &1_u32.to_ne_bytes(),
        ),
        put(
            offset_of!(c::bpf_prog_info, func_info_rec_size),
            &len_of::<Function>().to_ne_bytes(),
        ),
        put(
            offset_of!(c::bpf_prog_info, func_info),
            &address.to_ne_bytes(),
        ),
    ];
    debug_assert!(filled.iter().all(Option::is_some));
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(program),
        info_len: len_of::<c::bpf_prog_info>(),
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is to `info`, which is live for the call, as long as `info_len` says, and
    //   ours to write;
    // - the only pointer in `info` is to `function`, which is live for the call and has room for
    //   one structure of the size that stands beside it; all other counts are 0.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    let [_, function] = function;
    Ok(Some(function).filter(|function| *function != 0))
}

/// Since Linux 4.19 the info of every program and map is at least this long. On today's kernels
/// that of a link has 64 bytes at most.
pub(super) const SHORTEST: usize = 80;

const _: () = assert!(size_of::<c::bpf_link_info>() < SHORTEST);
const _: () = assert!(size_of::<c::bpf_btf_info>() < SHORTEST);

/// What the kernel says about a map; `None` if the object is not a map.
pub(crate) fn map_info(map: BorrowedFd<'_>) -> Result<Option<ObjectInfo>, Refused> {
    match object_info(map) {
        Ok(info) => map_of(info, read_no_element(map), || {
            let is_program = is_program(map).map_err(|source| (Command::ProgBindMap, source))?;
            Ok(is_program || is_link(map).map_err(|source| (Command::LinkUpdate, source))?)
        }),
        // Not an object of BPF at all.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
        Err(source) => Err((Command::ObjGetInfoByFd, source)),
    }
}

/// The info, if it is a map's. The answer to a look-up of no elements tells; where it does not, the
/// object is a map if it is neither a program nor a link.
///
/// The length of the info does not tell, as the infos of links grow.
fn map_of(
    info: ObjectInfo,
    answer: io::Result<()>,
    is_other: impl FnOnce() -> Result<bool, Refused>,
) -> Result<Option<ObjectInfo>, Refused> {
    let is_map = match answer {
        Ok(()) => true,
        Err(source) => match source.raw_os_error() {
            // A map without batch operations.
            Some(ENOTSUPP) => true,
            Some(libc::EINVAL) => false,
            // The map is write-only, or this caller may not use the command.
            Some(libc::EPERM) => info.len >= SHORTEST && !is_other()?,
            _ => return Err((Command::MapLookupBatch, source)),
        },
    };
    Ok(is_map.then_some(info))
}

/// Looks up no elements of a map, which has no effect. Since Linux 5.6.
///
/// The kernel finds the map before it reads the count, so it answers `EINVAL` for a descriptor that
/// is not a map's.
fn read_no_element(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = c::bpf_attr__batch {
        in_batch: 0,
        out_batch: 0,
        keys: 0,
        values: 0,
        count: 0,
        map_fd: raw(map),
        elem_flags: 0,
        flags: 0,
    };
    // SAFETY: the attr is eight initialised integers without padding; its pointers are null, and
    // the kernel follows none of them when the count is 0.
    unsafe { bpf(c::BPF_MAP_LOOKUP_BATCH, &mut attr) }.map(drop)
}

/// Whether a file descriptor is a program, without procfs and without an effect.
///
/// The kernel looks up the program before the map that it is asked to bind to it, and there is no
/// descriptor with the number of that map: so a program answers `EBADF`, and any other object
/// `EINVAL`.
pub(crate) fn is_program(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut attr = c::bpf_attr__prog_bind_map {
        prog_fd: raw(fd),
        map_fd: NO_DESCRIPTOR,
        flags: 0,
    };
    // SAFETY: the attr is three initialised integers without padding, none of them a pointer.
    match unsafe { bpf(c::BPF_PROG_BIND_MAP, &mut attr) } {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
        Ok(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An info as a link may have on a later kernel: of a raw tracepoint, and longer than a map's.
    fn longer_than_any() -> ObjectInfo {
        let fields = [c::BPF_LINK_TYPE_RAW_TRACEPOINT, 12, 34, 0, 0, 0, 13];
        let mut bytes = [0; ROOM];
        for (at, field) in bytes.chunks_exact_mut(size_of::<u32>()).zip(fields) {
            at.copy_from_slice(&u32::to_ne_bytes(field));
        }
        ObjectInfo {
            bytes,
            len: SHORTEST + 16,
        }
    }

    fn is_map(answer: Result<(), i32>, is_other: io::Result<bool>) -> io::Result<bool> {
        let answer = answer.map_err(io::Error::from_raw_os_error);
        let is_other = is_other.map_err(|source| (Command::LinkUpdate, source));
        let map = map_of(longer_than_any(), answer, || is_other);
        map.map(|map| map.is_some()).map_err(|(_, source)| source)
    }

    #[test]
    fn a_long_info_does_not_make_a_map() -> io::Result<()> {
        assert!(!is_map(Err(libc::EINVAL), Ok(false))?);
        assert!(!is_map(Err(libc::EPERM), Ok(true))?);
        Ok(())
    }

    #[test]
    fn a_map_answers_that_it_has_no_batches_or_may_not_be_read() -> io::Result<()> {
        for answer in [Ok(()), Err(ENOTSUPP), Err(libc::EPERM)] {
            assert!(is_map(answer, Ok(false))?);
        }
        Ok(())
    }

    #[test]
    fn what_the_kernel_will_not_say_is_an_error() {
        let refused = || io::Error::from_raw_os_error(libc::EACCES);
        assert!(is_map(Err(libc::EACCES), Ok(false)).is_err());
        assert!(is_map(Err(libc::EPERM), Err(refused())).is_err());
    }
}
