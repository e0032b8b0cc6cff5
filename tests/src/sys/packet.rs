//! Sockets that send and receive whole frames.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// A socket that sends frames out of the device of the calling thread's network namespace that has
/// this index, and receives all that come in there.
///
/// # Errors
///
/// What the kernel answered.
pub fn packet_socket(ifindex: u32) -> io::Result<OwnedFd> {
    const NO_PROTOCOL_YET: c_int = 0;
    // SAFETY: the call takes no pointer.
    let fd = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            NO_PROTOCOL_YET,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };

    // SAFETY: a `sockaddr_ll` is integers, for which zeros are valid values.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL)
        .map_err(io::Error::other)?
        .to_be();
    address.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
    // SAFETY: `address` is as long as the length beside it says, outlives the call, and is only
    // read.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            length,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}
