//! What the kernel says about a network device: one `RTM_GETLINK` request over netlink.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// The length of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// The length of `struct ifinfomsg`.
pub(super) const INFO: usize = 16;
/// Where `struct ifinfomsg` has the index.
const INDEX: usize = HEADER + 4;
/// The length of `struct rtattr`.
const ATTRIBUTE: usize = 4;

/// Which device is asked about, in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Index(i32),
    /// One of the names that it has besides its own. Since Linux 5.5.
    AlternativeName(&'a CStr),
}

/// Asks; the answer is the kernel's message.
pub(super) fn get_link(asked: Asked<'_>) -> io::Result<Vec<u8>> {
    /// More than the kernel says about one device.
    const ROOM: usize = 1 << 16;
    let socket = socket()?;
    send(&socket, &request(asked)?)?;
    let mut answer = vec![0; ROOM];
    let len = receive(&socket, &mut answer)?;
    if len > answer.len() {
        return Err(unreadable());
    }
    answer.truncate(len);
    Ok(answer)
}

/// A message about a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceMessage<'a> {
    bytes: &'a [u8],
}

impl<'a> DeviceMessage<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> io::Result<Self> {
        let message_type = u16_at(bytes, 4).ok_or_else(unreadable)?;
        if i32::from(message_type) == libc::NLMSG_ERROR {
            let errno = i32_at(bytes, HEADER).ok_or_else(unreadable)?;
            return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
        }
        if message_type != libc::RTM_NEWLINK || bytes.len() < HEADER + INFO {
            return Err(unreadable());
        }
        Ok(Self { bytes })
    }

    /// The index of the device.
    pub(super) fn index(self) -> io::Result<u32> {
        u32_at(self.bytes, INDEX).ok_or_else(unreadable)
    }

    pub(super) fn attributes(self) -> Attributes<'a> {
        Attributes(self.bytes.get(HEADER + INFO..).unwrap_or_default())
    }
}

/// `struct rtattr`s one after the other: the type and the value of each.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        /// The type without the flags that netlink has put beside it.
        const TYPE: u16 = 0x3fff;
        let len = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE;
        let value = self.0.get(4..len)?;
        let next = len.next_multiple_of(4);
        self.0 = self.0.get(next..).unwrap_or_default();
        Some((kind, value))
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes_at(bytes, at).map(i32::from_ne_bytes)
}

fn unreadable() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// `struct nlmsghdr` and `struct ifinfomsg`, with the name as an attribute if there is one.
fn request(asked: Asked<'_>) -> io::Result<Vec<u8>> {
    const IFLA_ALT_IFNAME: u16 = 53;
    /// `ALTIFNAMSIZ`, with the NUL.
    const LONGEST: usize = 128;
    let no_device = || io::Error::from_raw_os_error(libc::ENODEV);
    let (index, name) = match asked {
        Asked::Index(index) => (index, None),
        Asked::AlternativeName(name) => (0, Some(name.to_bytes_with_nul())),
    };
    let mut request = vec![0; HEADER + INFO];
    if let Some(name) = name {
        // No device has so long a name.
        let len = u16::try_from(ATTRIBUTE + name.len()).map_err(|_| no_device())?;
        if name.len() > LONGEST {
            return Err(no_device());
        }
        request.extend(len.to_ne_bytes());
        request.extend(IFLA_ALT_IFNAME.to_ne_bytes());
        request.extend(name);
        request.resize(request.len().next_multiple_of(4), 0);
    }
    let len = u32::try_from(request.len()).map_err(|_| no_device())?;
    put(&mut request, 0, &len.to_ne_bytes());
    put(&mut request, 4, &libc::RTM_GETLINK.to_ne_bytes());
    put(&mut request, 6, &FLAGS.to_ne_bytes());
    put(&mut request, INDEX, &index.to_ne_bytes());
    Ok(request)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the flag is a small positive number"
)]
const FLAGS: u16 = libc::NLM_F_REQUEST as u16;

fn put(request: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in request.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: the arguments are numbers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(socket: &OwnedFd, request: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `request`, which is live for the call; the
    // kernel only reads it.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            request.as_ptr().cast(),
            request.len(),
            0,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Puts the answer into the buffer, and returns its true length, which may be larger than the
/// buffer's.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the pointer and the length are those of `buffer`, which is live for the call and
        // ours to write.
        let len = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_TRUNC,
            )
        };
        if let Ok(len) = usize::try_from(len) {
            return Ok(len);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
