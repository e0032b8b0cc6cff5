//! The value of a `struct_ops` map.

use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bpf_link_sys as c;

use super::map_entry::EntryAttr;
use super::object_info::{Refused, map_info};
use super::{bpf, raw};
use crate::error::Command;

/// The value of a `struct_ops` map, as it was given to the map, with numbers of programs for
/// functions; `None` if it is not such a map.
pub(crate) fn struct_ops_value(map: BorrowedFd<'_>) -> Result<Option<Vec<u8>>, Refused> {
    let Some(info) = map_info(map)? else {
        return Ok(None);
    };
    if info.u32_at(offset_of!(c::bpf_map_info, type_)) != c::BPF_MAP_TYPE_STRUCT_OPS {
        return Ok(None);
    }
    let key = 0_u32;
    let mut value = vec![0; info.u32_at(offset_of!(c::bpf_map_info, value_size)) as usize];
    let mut attr = EntryAttr {
        map_fd: raw(map),
        padding: 0,
        key: (&raw const key) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY:
    // - the attr is integers without padding, all initialised;
    // - the map is of callbacks, whose keys have 4 bytes, and whose one value is as long as the
    //   map's info says: the kernel reads `key` and writes `value`, which live until the call is
    //   over.
    unsafe { bpf(c::BPF_MAP_LOOKUP_ELEM, &mut attr) }
        .map_err(|source| (Command::MapLookupElem, source))?;
    Ok(Some(value))
}
