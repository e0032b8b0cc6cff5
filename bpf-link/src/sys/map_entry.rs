//! The arguments of commands on one entry of a map.

use std::mem::offset_of;

use bpf_link_sys as c;

/// The kernel's arm of `bpf_attr` for an entry of a map, with its padding, so without any.
#[repr(C)]
pub(super) struct EntryAttr {
    pub(super) map_fd: u32,
    pub(super) padding: u32,
    pub(super) key: u64,
    pub(super) value: u64,
    pub(super) flags: u64,
}

const _: () = {
    use c::bpf_attr__map_fd_struct as Kernel;
    assert!(offset_of!(EntryAttr, map_fd) == offset_of!(Kernel, map_fd));
    assert!(offset_of!(EntryAttr, key) == offset_of!(Kernel, key));
    assert!(offset_of!(EntryAttr, flags) == offset_of!(Kernel, flags));
    assert!(size_of::<EntryAttr>() == size_of::<Kernel>());
};
