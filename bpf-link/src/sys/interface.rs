//! The names and indices of network devices.

use std::ffi::{CStr, CString, c_char};
use std::io;

/// `if_nametoindex(3)`.
pub(crate) fn interface_index(name: &CStr) -> io::Result<u32> {
    // SAFETY: the name is live for the call and ends with a NUL; it is only read.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// `if_indextoname(3)`.
pub(crate) fn interface_name(index: u32) -> io::Result<CString> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer is live for the call, ours to write, and has the `IF_NAMESIZE` bytes that the function may write.
    let written = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast::<c_char>()) };
    if written.is_null() {
        return Err(io::Error::last_os_error());
    }
    match CStr::from_bytes_until_nul(&name) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}
