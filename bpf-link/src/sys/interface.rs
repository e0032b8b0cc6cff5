//! The names and indices of network devices.
//!
//! The C library has functions for both, which lose the error number where they get no socket.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong};
use std::io;
use std::os::fd::AsFd as _;

use super::get_link::{Asked, DeviceMessage, get_link};
use super::{ioctl, socket};

/// `ioctl(2)` with `SIOCGIFINDEX`; or `RTM_GETLINK` for a name that only an alternative name can
/// be, as it is too long for that.
pub(crate) fn interface_index(name: &CStr) -> io::Result<u32> {
    let mut request = request();
    let bytes = name.to_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        // The kernel would look for the beginning of it.
        let answer = get_link(Asked::AlternativeName(name))?;
        return DeviceMessage::new(&answer)?.index();
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = c_char::from_ne_bytes([*from]);
    }
    ask(libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the call succeeded, so the kernel has written this field of the union; it is an
    // integer in any case.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    u32::try_from(index).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// `ioctl(2)` with `SIOCGIFNAME`.
pub(crate) fn interface_name(index: u32) -> io::Result<CString> {
    let mut request = request();
    // The kernel's indices are positive: beyond them there is no device, as it says of a negative
    // one.
    request.ifr_ifru.ifru_ifindex = c_int::try_from(index).unwrap_or(-1);
    ask(libc::SIOCGIFNAME, &mut request)?;
    let name = request
        .ifr_name
        .map(|byte| u8::from_ne_bytes(byte.to_ne_bytes()));
    match CStr::from_bytes_until_nul(&name) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn request() -> libc::ifreq {
    // SAFETY: the type is integers, arrays of them, and a union whose arms have a null pointer at
    // most: zeros are valid for each.
    unsafe { std::mem::zeroed() }
}

/// One of the two requests, on a socket of a family that every kernel has.
fn ask(command: c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?;
    // SAFETY: for both commands the argument is a `struct ifreq`, which is live for the call and
    // ours to write; neither follows a pointer in it.
    unsafe { ioctl(socket.as_fd(), command, request) }
}
