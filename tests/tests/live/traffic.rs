//! What makes programs run: packets, in the network namespace of the calling thread.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{PATIENCE, sys};
use rustix::net::sockopt::Timeout;
use rustix::net::{RecvFlags, SendFlags};

/// Sends a packet over `lo`, and waits until it has arrived: whatever runs on its way has run by then.
pub(crate) fn send_packet() -> Result<()> {
    send_packet_from(Ipv4Addr::LOCALHOST.into())
}

/// As [`send_packet`], but over IPv6.
pub(crate) fn send_packet_over_ipv6() -> Result<()> {
    send_packet_from(Ipv6Addr::LOCALHOST.into())
}

fn send_packet_from(address: IpAddr) -> Result<()> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"packet", socket.local_addr()?)?;
    let mut received = [0; 16];
    ensure!(socket.recv(&mut received)? == 6, "half of a packet came");
    Ok(())
}

/// Two sockets that are connected to each other over `lo`.
pub(crate) fn connect() -> Result<[TcpStream; 2]> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, address) = listener.accept()?;
    ensure!(address == here.local_addr()?, "somebody else connected");
    for socket in [&here, &there] {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
    }
    Ok([here, there])
}

/// What [`exchange`] sends.
pub(crate) const MESSAGE: &[u8; 7] = b"message";

/// Sends a message from one socket to the other, and waits until it has arrived.
pub(crate) fn exchange(from: &TcpStream, to: &TcpStream) -> Result<()> {
    let (mut from, mut to) = (from, to);
    from.write_all(MESSAGE)?;
    let mut received = [0; MESSAGE.len()];
    to.read_exact(&mut received)?;
    ensure!(received == *MESSAGE, "{received:?} came");
    Ok(())
}

/// Sends a frame out of a device, and waits until the device at the other end of the wire has received it and whatever runs there has run.
pub(crate) fn send_frame(from: u32, to: u32) -> Result<()> {
    Wire::between(from, to)?.send_frame()
}

/// Two devices, each of which receives what the other sends.
#[derive(Debug)]
pub(crate) struct Wire {
    here: OwnedFd,
    there: OwnedFd,
}

impl Wire {
    /// The wire that goes from a device to the one at its other end.
    pub(crate) fn between(from: u32, to: u32) -> Result<Self> {
        let (here, there) = (sys::packet_socket(from)?, sys::packet_socket(to)?);
        rustix::net::sockopt::set_socket_timeout(&there, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { here, there })
    }

    /// As [`send_frame`]. For more than one frame, the devices are two: one alone receives each frame twice.
    pub(crate) fn send_frame(&self) -> Result<()> {
        let frame = frame();
        rustix::net::send(&self.here, &frame, SendFlags::empty())?;
        let mut received = [0; 1500];
        loop {
            let (length, _) = rustix::net::recv(&self.there, &mut received, RecvFlags::empty())
                .context("waiting for the frame")?;
            if received.get(..length) == Some(&frame) {
                return Ok(());
            }
        }
    }
}

/// Keeps the kernel from sending on its own over the devices that are made from now on.
pub(crate) fn without_ipv6() -> Result<()> {
    const SWITCH: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    std::fs::write(SWITCH, "1").context(SWITCH)
}

/// A socket that sends to itself over `lo`, with [`send_to_itself`].
pub(crate) fn socket_to_itself() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Sends a packet from the socket to itself, and waits until it has arrived.
pub(crate) fn send_to_itself(socket: &UdpSocket) -> Result<()> {
    socket.send_to(b"event", socket.local_addr()?)?;
    let received = socket.recv(&mut [0; 16]).context("waiting for it")?;
    ensure!(received == 5, "half of it came");
    Ok(())
}

/// An Ethernet frame to everyone, with an IPv4 packet for nobody.
fn frame() -> Vec<u8> {
    let ethernet = [[0xff; 6], [0x02, 0, 0, 0, 0, 1]].concat();
    let ipv4 = [
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
    ];
    let udp = [0, 9, 0, 9, 0, 8, 0, 0];
    [&ethernet[..], &[0x08, 0x00], &ipv4, &udp].concat()
}
