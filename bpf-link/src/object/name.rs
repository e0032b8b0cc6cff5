//! The names that programs and maps have in their infos.

use std::ffi::{CStr, CString};

/// The name that these bytes are, up to the first NUL; empty if the kernel has not written them.
pub(crate) fn object_name(bytes: Option<[u8; bpf_link_sys::BPF_OBJ_NAME_LEN as usize]>) -> CString {
    let bytes = bytes.unwrap_or_default();
    CStr::from_bytes_until_nul(&bytes)
        .unwrap_or_default()
        .to_owned()
}
