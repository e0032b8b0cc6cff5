//! The programs that a network device has for xdp: one `RTM_GETLINK` request over netlink.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// The programs of a device, by mode; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct XdpProgramIds {
    pub(crate) generic: u32,
    pub(crate) driver: u32,
    pub(crate) hardware: u32,
}

/// `struct nlmsghdr` and `struct ifinfomsg`, without padding.
#[repr(C)]
struct Request {
    len: u32,
    message_type: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    pad: u8,
    device_type: u16,
    index: i32,
    device_flags: u32,
    change: u32,
}

const _: () = assert!(size_of::<Request>() == HEADER + INFO);
/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The length of `struct ifinfomsg`.
const INFO: usize = 16;

const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;
const XDP_ATTACHED_HW: u8 = 3;

/// Asks for the programs of the device with this index in the network namespace of the calling
/// thread.
pub(crate) fn xdp_programs(ifindex: u32) -> io::Result<XdpProgramIds> {
    /// More than the kernel says about one device.
    const ROOM: usize = 1 << 16;
    let index = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let socket = socket()?;
    send(&socket, index)?;
    let mut answer = vec![0; ROOM];
    let len = receive(&socket, &mut answer)?;
    let answer = answer.get(..len).ok_or_else(unreadable)?;
    parse(answer)
}

fn unreadable() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn parse(answer: &[u8]) -> io::Result<XdpProgramIds> {
    let message_type = u16_at(answer, 4).ok_or_else(unreadable)?;
    if i32::from(message_type) == libc::NLMSG_ERROR {
        let errno = i32_at(answer, HEADER).ok_or_else(unreadable)?;
        return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
    }
    if message_type != libc::RTM_NEWLINK {
        return Err(unreadable());
    }
    let attributes = answer.get(HEADER + INFO..).ok_or_else(unreadable)?;
    let Some(xdp) = Attributes(attributes).find(|(kind, _)| *kind == IFLA_XDP) else {
        return Ok(XdpProgramIds::default());
    };
    let mut programs = XdpProgramIds::default();
    let (mut attached, mut only) = (0, 0);
    for (kind, value) in Attributes(xdp.1) {
        let number = u32_at(value, 0).unwrap_or(0);
        match kind {
            IFLA_XDP_ATTACHED => attached = value.first().copied().unwrap_or(0),
            IFLA_XDP_PROG_ID => only = number,
            IFLA_XDP_DRV_PROG_ID => programs.driver = number,
            IFLA_XDP_SKB_PROG_ID => programs.generic = number,
            IFLA_XDP_HW_PROG_ID => programs.hardware = number,
            _ => {}
        }
    }
    // With programs in several modes, the kernel reports each mode's id instead of this one.
    match attached {
        XDP_ATTACHED_DRV => programs.driver = only,
        XDP_ATTACHED_SKB => programs.generic = only,
        XDP_ATTACHED_HW => programs.hardware = only,
        _ => {}
    }
    Ok(programs)
}

/// `struct rtattr`s one after the other: the type and the value of each.
struct Attributes<'a>(&'a [u8]);

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

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes_at(bytes, at).map(i32::from_ne_bytes)
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

#[expect(
    clippy::cast_possible_truncation,
    reason = "the length and the flag are small positive numbers"
)]
fn send(socket: &OwnedFd, index: i32) -> io::Result<()> {
    let request = Request {
        len: size_of::<Request>() as u32,
        message_type: libc::RTM_GETLINK,
        flags: libc::NLM_F_REQUEST as u16,
        sequence: 1,
        port: 0,
        family: libc::AF_UNSPEC as u8,
        pad: 0,
        device_type: 0,
        index,
        device_flags: 0,
        change: 0,
    };
    // SAFETY: the pointer is to `request`, which is live for the call, is initialised without
    // padding, and has the length given; the kernel only reads it.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            (&raw const request).cast(),
            size_of::<Request>(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn answer(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + INFO];
        bytes.splice(4..6, libc::RTM_NEWLINK.to_ne_bytes());
        bytes.extend_from_slice(attributes);
        bytes
    }

    fn number(kind: u16, number: u32) -> Vec<u8> {
        attribute(kind, &number.to_ne_bytes())
    }

    #[test]
    fn the_mode_of_a_program_is_told() -> io::Result<()> {
        let xdp = [
            attribute(IFLA_XDP_ATTACHED, &[XDP_ATTACHED_SKB]),
            number(IFLA_XDP_PROG_ID, 7),
        ];
        // The name of a device, which comes first, and a nested attribute with its flag.
        let all = [
            attribute(3, b"lo\0"),
            attribute(IFLA_XDP | 1 << 15, &xdp.concat()),
        ];
        let programs = parse(&answer(&all.concat()))?;
        let expected = XdpProgramIds {
            generic: 7,
            ..XdpProgramIds::default()
        };
        assert_eq!(programs, expected);
        Ok(())
    }

    #[test]
    fn several_modes_have_a_program_each() -> io::Result<()> {
        let xdp = [
            attribute(IFLA_XDP_ATTACHED, &[4]),
            number(IFLA_XDP_DRV_PROG_ID, 5),
            number(IFLA_XDP_HW_PROG_ID, 6),
        ];
        let programs = parse(&answer(&attribute(IFLA_XDP, &xdp.concat())))?;
        assert_eq!((programs.driver, programs.hardware), (5, 6));
        Ok(())
    }

    #[test]
    fn a_device_without_xdp_has_none() -> io::Result<()> {
        assert_eq!(parse(&answer(&[]))?, XdpProgramIds::default());
        Ok(())
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bytes in [&[][..], &[0; 15], &[0; 40]] {
            assert!(parse(bytes).is_err());
        }
        let mut error = vec![0; HEADER];
        error.splice(4..6, 2_u16.to_ne_bytes());
        error.extend_from_slice(&(-libc::ENODEV).to_ne_bytes());
        let errno = parse(&error).err().and_then(|error| error.raw_os_error());
        assert_eq!(errno, Some(libc::ENODEV));
    }
}
