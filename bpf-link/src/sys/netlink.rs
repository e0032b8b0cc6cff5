//! The kernel's routing netlink: requests, and what it answers.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// More than the kernel writes at once.
const ROOM: usize = 1 << 16;

/// Sends a request of one type, which has one answer of the other type: what is after its header.
pub(super) fn ask(message_type: u16, answer_type: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket = socket()?;
    send(&socket, &request(message_type, FLAG_REQUEST, body)?)?;
    let mut room = vec![0; ROOM];
    Ok(only(receive(&socket, &mut room)?, answer_type)?.to_vec())
}

/// What is after the header of the only message, which is of this type.
fn only(received: &[u8], message_type: u16) -> io::Result<&[u8]> {
    let message = Messages(received).next().ok_or_else(unreadable)?;
    if i32::from(message.message_type) == libc::NLMSG_ERROR {
        return Err(refused(message.body));
    }
    if message.message_type != message_type {
        return Err(unreadable());
    }
    Ok(message.body)
}

/// What the kernel says in an error message.
fn refused(body: &[u8]) -> io::Error {
    match i32_at(body, 0) {
        Some(errno) => io::Error::from_raw_os_error(errno.wrapping_neg()),
        None => unreadable(),
    }
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
    let mut dump = Dump::default();
    while !dump.take(receive(socket, room)?)? {}
    Ok((!dump.is_interrupted).then_some(dump.messages))
}

/// A dump as far as it is received.
#[derive(Debug, Default)]
struct Dump {
    /// What is after the header of each message.
    messages: Vec<Vec<u8>>,
    /// Something came or went while the kernel wrote it.
    is_interrupted: bool,
}

impl Dump {
    /// Takes what was received at once; `true` at the end of the dump.
    fn take(&mut self, received: &[u8]) -> io::Result<bool> {
        /// `NLM_F_DUMP_INTR`
        const INTERRUPTED: u16 = 0x10;
        let mut unread = Messages(received);
        for message in &mut unread {
            self.is_interrupted |= message.flags & INTERRUPTED != 0;
            match i32::from(message.message_type) {
                // An error that the kernel met on the way.
                libc::NLMSG_DONE if i32_at(message.body, 0).is_some_and(|errno| errno < 0) => {
                    return Err(refused(message.body));
                }
                libc::NLMSG_DONE => return Ok(true),
                libc::NLMSG_ERROR => return Err(refused(message.body)),
                _ => self.messages.push(message.body.to_vec()),
            }
        }
        if received.is_empty() || !unread.0.is_empty() {
            return Err(unreadable());
        }
        Ok(false)
    }
}

/// A message of the kernel's.
#[expect(
    clippy::struct_field_names,
    reason = "a type alone would be a word of Rust's"
)]
struct Message<'a> {
    message_type: u16,
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
            message_type: u16_at(self.0, 4)?,
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
    super::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)
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

/// Puts what the kernel sends at once into the buffer, which has room for it.
fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
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
            // The true length, which may be larger than the buffer's.
            return buffer.get(..len).ok_or_else(unreadable);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// An attribute, with a value of some hundreds of bytes at most.
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
        assert_eq!((first.message_type, first.flags), (1, 2));
        assert_eq!(first.body, [7; 5]);
        let second = messages.next().ok_or_else(unreadable)?;
        assert_eq!((second.message_type, second.body), (3, &[][..]));
        assert!(messages.next().is_none() && messages.0.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_not_a_message_ends_them() -> io::Result<()> {
        let longer_than_it_is = request(1, 0, &[0; 8])?;
        let cut = longer_than_it_is.get(..20).unwrap_or_default();
        for bytes in [&[][..], &[0; 15], &[0; 16], cut] {
            assert!(Messages(bytes).next().is_none(), "{bytes:?}");
            assert!(only(bytes, 1).is_err(), "{bytes:?}");
            assert!(Dump::default().take(bytes).is_err(), "{bytes:?}");
        }
        Ok(())
    }

    const DONE: u16 = 3;
    const ERROR: u16 = 2;
    const INTERRUPTED: u16 = 0x10;

    fn errno<T>(result: io::Result<T>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn an_answer_is_of_its_type() -> io::Result<()> {
        assert_eq!(only(&request(16, 0, &[7; 4])?, 16)?, [7; 4]);
        let other = request(17, 0, &[7; 4])?;
        assert!(only(&other, 16).is_err());
        let refused = request(ERROR, 0, &(-libc::ENODEV).to_ne_bytes())?;
        assert_eq!(errno(only(&refused, 16)), Some(libc::ENODEV));
        Ok(())
    }

    #[test]
    fn a_dump_is_received_in_parts() -> io::Result<()> {
        let mut dump = Dump::default();
        assert!(!dump.take(&request(16, 0, &[1; 4])?)?);
        let last = [
            request(16, 0, &[2; 4])?,
            request(DONE, 0, &0_i32.to_ne_bytes())?,
        ];
        assert!(dump.take(&last.concat())?);
        assert_eq!(dump.messages, [[1; 4], [2; 4]]);
        assert!(!dump.is_interrupted);
        Ok(())
    }

    #[test]
    fn an_interrupted_dump_is_told() -> io::Result<()> {
        for flags in [[INTERRUPTED, 0], [0, INTERRUPTED]] {
            let mut dump = Dump::default();
            assert!(!dump.take(&request(16, flags[0], &[])?)?);
            assert!(dump.take(&request(DONE, flags[1], &[0; 4])?)?);
            assert!(dump.is_interrupted, "{flags:?}");
        }
        Ok(())
    }

    #[test]
    fn a_refusal_ends_a_dump() -> io::Result<()> {
        for message_type in [DONE, ERROR] {
            let refused = request(message_type, 0, &(-libc::EINTR).to_ne_bytes())?;
            let result = Dump::default().take(&refused);
            assert_eq!(errno(result), Some(libc::EINTR), "{message_type}");
        }
        Ok(())
    }
}
