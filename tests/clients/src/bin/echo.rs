//! The server whose packets the agents count: it sends back each packet that it receives.
//!
//! It waits for a line before it opens its socket, so that it can be put into a cgroup first. Then
//! it prints the port.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Result;

fn main() -> Result<()> {
    std::io::stdin().read_line(&mut String::new())?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    println!("{}", socket.local_addr()?.port());
    let mut packet = [0; 64];
    loop {
        let (length, client) = socket.recv_from(&mut packet)?;
        socket.send_to(&packet[..length], client)?;
    }
}
