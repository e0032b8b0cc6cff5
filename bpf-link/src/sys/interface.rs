//! The names and indices of network devices.
//!
//! The C library has functions for both, which lose the error number where they get no socket.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::get_link::{Asked, DeviceMessage, get_link};

/// `ioctl(2)` with `SIOCGIFINDEX`; or `RTM_GETLINK` for a name that only an alternative name can
/// be, as it is too long for that.
pub(crate) fn interface_index(name: &CStr) -> io::Result<u32> {
    let mut request = request();
    let bytes = name.to_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        // The kernel would look for the beginning of it.
        let answer = get_link(Asked::AlternativeName(name))?;
        return DeviceMessage::parse(&answer)?.index();
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
    let socket = socket()?;
    // Called by number, as the type of the command is not the same in every C library. SAFETY: for
    // both commands the argument is a `struct ifreq`, which is live for the call and ours to write;
    // neither follows a pointer in it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            socket.as_raw_fd(),
            command,
            std::ptr::from_mut(request),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: the arguments are numbers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
