//! The kernel's routing netlink: requests, and what it answers.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// The length of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// More than the kernel writes at once.
const ROOM: usize = 1 << 16;

/// Sends a request of this type that has one answer: the kernel's message.
pub(super) fn ask(message_type: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket = socket()?;
    send(&socket, &request(message_type, FLAG_REQUEST, body)?)?;
    let mut answer = vec![0; ROOM];
    let len = receive(&socket, &mut answer)?;
    if len > answer.len() {
        return Err(unreadable());
    }
    answer.truncate(len);
    Ok(answer)
}

/// Sends a request of this type for everything of a sort: what is after the header of each message.
/// Where something came or went meanwhile, it asks again.
pub(super) fn dump(message_type: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let socket = socket()?;
    let request = request(message_type, FLAG_REQUEST | FLAG_DUMP, body)?;
    let mut room = vec![0; ROOM];
    loop {
        send(&socket, &request)?;
        if let Some(messages) = receive_all(&socket, &mut room)? {
            return Ok(messages);
        }
    }
}

/// All messages of a dump; `None` if they are not of one moment.
fn receive_all(socket: &OwnedFd, room: &mut [u8]) -> io::Result<Option<Vec<Vec<u8>>>> {
    /// `NLM_F_DUMP_INTR`
    const INTERRUPTED: u16 = 0x10;
    let mut messages = Vec::new();
    let mut is_of_one_moment = true;
    loop {
        let len = receive(socket, room)?;
        let mut received = Messages(room.get(..len).ok_or_else(unreadable)?);
        for message in &mut received {
            is_of_one_moment &= message.flags & INTERRUPTED == 0;
            match i32::from(message.sort) {
                libc::NLMSG_DONE => {
                    // An error that the kernel met on the way.
                    return match i32_at(message.body, 0) {
                        Some(errno) if errno < 0 => {
                            Err(io::Error::from_raw_os_error(errno.wrapping_neg()))
                        }
                        _ => Ok(is_of_one_moment.then_some(messages)),
                    };
                }
                libc::NLMSG_ERROR => {
                    let errno = i32_at(message.body, 0).ok_or_else(unreadable)?;
                    return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
                }
                _ => messages.push(message.body.to_vec()),
            }
        }
        if !received.0.is_empty() || len == 0 {
            return Err(unreadable());
        }
    }
}

/// A message of the kernel's.
struct Message<'a> {
    sort: u16,
    flags: u16,
    body: &'a [u8],
}

/// `struct nlmsghdr`s one after the other, each with what belongs to it.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let message = Message {
            sort: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            body: self.0.get(HEADER..len)?,
        };
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
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

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes_at(bytes, at).map(i32::from_ne_bytes)
}

pub(super) fn unreadable() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// A request with its header.
fn request(message_type: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(HEADER + body.len()).map_err(|_| unreadable())?;
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(len.to_ne_bytes());
    request.extend(message_type.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.resize(HEADER, 0);
    request.extend(body);
    Ok(request)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the flag is a small positive number"
)]
const FLAG_REQUEST: u16 = libc::NLM_F_REQUEST as u16;
#[expect(
    clippy::cast_possible_truncation,
    reason = "the flags are small positive numbers"
)]
const FLAG_DUMP: u16 = libc::NLM_F_DUMP as u16;

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

/// An attribute, for tests.
#[cfg(test)]
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() -> io::Result<()> {
        let mut bytes = request(1, 2, &[7; 5])?;
        // The next one begins at a multiple of four.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(request(3, 0, &[])?);
        let mut messages = Messages(&bytes);
        let first = messages.next().ok_or_else(unreadable)?;
        assert_eq!((first.sort, first.flags), (1, 2));
        assert_eq!(first.body, [7; 5]);
        let second = messages.next().ok_or_else(unreadable)?;
        assert_eq!((second.sort, second.body), (3, &[][..]));
        assert!(messages.next().is_none() && messages.0.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_not_a_message_ends_them() -> io::Result<()> {
        let longer_than_it_is = request(1, 0, &[0; 8])?;
        let cut = longer_than_it_is.get(..20).unwrap_or_default();
        for bytes in [&[][..], &[0; 15], &[0; 16], cut] {
            assert!(Messages(bytes).next().is_none(), "{bytes:?}");
        }
        Ok(())
    }
}
