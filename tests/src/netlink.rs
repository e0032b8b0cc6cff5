//! Requests to the kernel's routing netlink, one at a time.

use anyhow::{Context as _, Result, bail};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Sends a request and gives back the kernel's first answer: a message, or none where it only
/// acknowledged.
///
/// `flags` are those beyond `NLM_F_REQUEST`.
///
/// # Errors
///
/// What the kernel answered.
pub(crate) fn request(
    request: RouteNetlinkMessage,
    flags: u16,
) -> Result<Option<RouteNetlinkMessage>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Protocol 0 is the routing netlink.
        None,
    )
    .context("opening a netlink socket")?;

    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    rustix::net::send(&socket, &bytes, SendFlags::empty()).context("sending to netlink")?;

    let mut answer = vec![0; 64 * 1024];
    let (read, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())
        .context("receiving from netlink")?;
    let answer = answer.get(..read).unwrap_or_default();
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer)?.payload {
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        NetlinkPayload::Error(error) if error.code.is_none() => Ok(None),
        NetlinkPayload::Error(error) => Err(error.to_io().into()),
        other => bail!("netlink answered {other:?}"),
    }
}

/// Sends a request that the kernel only acknowledges.
///
/// # Errors
///
/// What the kernel answered.
pub(crate) fn order(message: RouteNetlinkMessage, flags: u16) -> Result<()> {
    request(message, flags | NLM_F_ACK).map(drop)
}
