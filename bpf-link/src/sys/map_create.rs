//! `BPF_MAP_CREATE`, of maps that serve to find out what the kernel supports.

use std::io;
use std::mem::offset_of;
use std::os::fd::OwnedFd;

use bpf_link_sys as c;

use super::bpf_fd;

/// The kernel's arm of `bpf_attr` as far as these maps need it, so without padding.
#[derive(Default)]
#[repr(C)]
pub(super) struct MapAttr {
    pub(super) map_type: u32,
    pub(super) key_size: u32,
    pub(super) value_size: u32,
    pub(super) max_entries: u32,
    pub(super) map_flags: u32,
    pub(super) name_and_types: [u32; 10],
    pub(super) btf_vmlinux_value_type_id: u32,
}

const _: () = {
    use c::bpf_attr__map_type_struct as Kernel;
    assert!(offset_of!(MapAttr, max_entries) == offset_of!(Kernel, max_entries));
    assert!(offset_of!(MapAttr, map_flags) == offset_of!(Kernel, map_flags));
    assert!(offset_of!(MapAttr, name_and_types) == offset_of!(Kernel, inner_map_fd));
    assert!(
        offset_of!(MapAttr, btf_vmlinux_value_type_id)
            == offset_of!(Kernel, btf_vmlinux_value_type_id)
    );
};

/// Creates a map, which is the caller's.
pub(super) fn map_create(mut attr: MapAttr) -> io::Result<OwnedFd> {
    // SAFETY:
    // - the attr is integers without padding, all initialised, and has no pointers;
    // - `BPF_MAP_CREATE` returns a new descriptor.
    unsafe { bpf_fd(c::BPF_MAP_CREATE, &mut attr) }
}
