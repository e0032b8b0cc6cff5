//! `BPF_BTF_GET_FD_BY_ID`, and `BPF_OBJ_GET_INFO_BY_FD` of what it opens.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};

use bpf_link_sys as c;

use super::by_id::btf_get_fd_by_id;
use super::{bpf, len_of, raw};

/// A file descriptor that is a BTF object: only this module makes one, by the object's id.
#[derive(Debug)]
pub(crate) struct BtfFd(OwnedFd);

/// What the kernel says about a BTF object besides its name and types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BtfAnswer {
    /// How many bytes the types are.
    pub(crate) size: u32,
    /// How many bytes the name is, without a NUL; `None` before Linux 5.11.
    pub(crate) name_len: Option<u32>,
    /// Whether the kernel or a module came with it; `None` before Linux 5.11.
    pub(crate) is_kernel: Option<bool>,
}

impl BtfFd {
    pub(crate) fn open(id: u32) -> io::Result<Self> {
        btf_get_fd_by_id(id).map(Self)
    }

    /// Fills in the name, with its NUL, and the types, as far as there is room for them. A name may
    /// be asked for only if an answer without has said how long it is.
    pub(crate) fn info(&self, name: &mut [u8], types: &mut [u8]) -> io::Result<BtfAnswer> {
        let mut info = c::bpf_btf_info {
            btf: address(types),
            btf_size: len(types),
            id: 0,
            name: address(name),
            name_len: len(name),
            kernel_btf: 0,
        };
        let mut attr = c::bpf_attr__info {
            bpf_fd: raw(self.0.as_fd()),
            info_len: len_of::<c::bpf_btf_info>(),
            info: (&raw mut info) as u64,
        };
        // SAFETY:
        // - the attr is three initialised integers without padding;
        // - its only pointer is `info`, which is live for the call, as long as `info_len` says, and
        //   ours to write;
        // - the pointers in `info` are null or to `name` and `types`, which are live for the call,
        //   ours to write, and as long as the length beside each says; the descriptor is a BTF
        //   object, of which the kernel takes them so.
        unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
        let has_name = attr.info_len as usize > offset_of!(c::bpf_btf_info, kernel_btf);
        Ok(BtfAnswer {
            size: info.btf_size,
            name_len: has_name.then_some(info.name_len),
            is_kernel: has_name.then_some(info.kernel_btf != 0),
        })
    }
}

/// The address of a buffer that the kernel writes to; null if there is no room in it.
fn address(buffer: &mut [u8]) -> u64 {
    if buffer.is_empty() {
        0
    } else {
        buffer.as_mut_ptr() as u64
    }
}

/// A length for the kernel, which may be smaller than the true one, but never larger.
fn len(buffer: &[u8]) -> u32 {
    u32::try_from(buffer.len()).unwrap_or(u32::MAX)
}
