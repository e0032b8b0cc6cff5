//! Maps.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys::{
    BPF_MAP_CREATE, BPF_MAP_DELETE_ELEM, BPF_MAP_LOOKUP_ELEM, BPF_MAP_TYPE_LRU_PERCPU_HASH,
    BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED,
    BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_UPDATE_ELEM, bpf_map_type,
};

use super::{address, address_mut, bpf, bpf_fd, map_info, number, object_name, zeroed_attr};

/// What `BPF_MAP_CREATE` is told of a map.
#[derive(Debug, Clone, Copy)]
pub struct MapCreate<'a> {
    /// The type of the map.
    pub map_type: bpf_map_type,
    /// Its name, which the kernel cuts to 15 bytes.
    pub name: &'a str,
    /// Bytes in a key.
    pub key_size: u32,
    /// Bytes in a value.
    pub value_size: u32,
    /// How many elements it can have.
    pub max_entries: u32,
    /// `BPF_F_LINK` and its like.
    pub flags: u32,
    /// For a `struct_ops` map: any BTF, and the id in the kernel's BTF of the type of its value.
    pub value_type: Option<(BorrowedFd<'a>, u32)>,
    /// For a map that the kernel wants described: some BTF, and the ids in it of the types of a key
    /// and a value.
    pub element_types: Option<(BorrowedFd<'a>, [u32; 2])>,
}

/// `BPF_MAP_CREATE`.
///
/// # Errors
///
/// What the kernel answered.
pub fn map_create(map: &MapCreate<'_>) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.map_type_struct.map_type = map.map_type;
    attr.map_type_struct.map_name = object_name(map.name);
    attr.map_type_struct.key_size = map.key_size;
    attr.map_type_struct.value_size = map.value_size;
    attr.map_type_struct.max_entries = map.max_entries;
    attr.map_type_struct.map_flags = map.flags;
    if let Some((btf, value_type)) = map.value_type {
        attr.map_type_struct.btf_fd = number(btf);
        attr.map_type_struct.btf_vmlinux_value_type_id = value_type;
    }
    if let Some((btf, [key_type, value_type])) = map.element_types {
        attr.map_type_struct.btf_fd = number(btf);
        attr.map_type_struct.btf_key_type_id = key_type;
        attr.map_type_struct.btf_value_type_id = value_type;
    }
    // SAFETY: the arm's only pointer is null, and the command returns a new descriptor.
    unsafe { bpf_fd(BPF_MAP_CREATE, &mut attr) }
}

/// The sizes of a map's key and value, in bytes, as `bpf(2)` copies them.
///
/// A map with a value for every processor copies more than its value's size and is refused: the
/// tests need none.
fn element_size(map: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    let info = map_info(map)?;
    if matches!(
        info.type_,
        BPF_MAP_TYPE_PERCPU_HASH
            | BPF_MAP_TYPE_PERCPU_ARRAY
            | BPF_MAP_TYPE_LRU_PERCPU_HASH
            | BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED
    ) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let size = |bytes: u32| usize::try_from(bytes).map_err(io::Error::other);
    Ok((size(info.key_size)?, size(info.value_size)?))
}

/// Refuses a key or value whose length is not what the map copies.
fn same_size(given: usize, copied: usize) -> io::Result<()> {
    if given == copied {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

/// `BPF_MAP_UPDATE_ELEM`: sets an element of a map.
///
/// # Errors
///
/// `InvalidInput` where `key` or `value` has another length than the map's, otherwise what the
/// kernel answered.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
    let (key_size, value_size) = element_size(map)?;
    same_size(key.len(), key_size)?;
    same_size(value.len(), value_size)?;
    let mut attr = zeroed_attr();
    attr.map_fd_struct.map_fd = number(map);
    attr.map_fd_struct.key = address(key);
    attr.map_fd_struct.value_union.value = address(value);
    attr.map_fd_struct.flags = flags;
    // SAFETY:
    // - The kernel reads the map's key size at `key` and its value size at `value`, which are the
    //   slices' lengths, and a map's sizes never change.
    // - Both slices outlive the call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_DELETE_ELEM`: takes an element out of a map.
///
/// # Errors
///
/// `InvalidInput` where `key` has another length than the map's, otherwise what the kernel
/// answered.
pub fn map_delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let (key_size, _) = element_size(map)?;
    same_size(key.len(), key_size)?;
    let mut attr = zeroed_attr();
    attr.map_fd_struct.map_fd = number(map);
    attr.map_fd_struct.key = address(key);
    // SAFETY:
    // - The kernel reads the map's key size at `key`, which is the slice's length, and a map's
    //   sizes never change.
    // - The slice outlives the call.
    unsafe { bpf(BPF_MAP_DELETE_ELEM, &mut attr) }.map(drop)
}

/// `BPF_MAP_LOOKUP_ELEM`: the value of an element of a map.
///
/// # Errors
///
/// `InvalidInput` where `key` has another length than the map's, otherwise what the kernel
/// answered.
pub fn map_lookup(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<Vec<u8>> {
    let (key_size, value_size) = element_size(map)?;
    same_size(key.len(), key_size)?;
    let mut value = vec![0; value_size];
    let mut attr = zeroed_attr();
    attr.map_fd_struct.map_fd = number(map);
    attr.map_fd_struct.key = address(key);
    attr.map_fd_struct.value_union.value = address_mut(&mut value);
    // SAFETY:
    // - The kernel reads the map's key size at `key`, which is the slice's length, and writes its
    //   value size at `value`, which is the length of the vector, of which this function is the
    //   only owner. A map's sizes never change.
    // - Both outlive the call.
    unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &mut attr) }?;
    Ok(value)
}
