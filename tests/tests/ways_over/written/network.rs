//! Hooks of devices, network namespaces, netfilter and maps of sockets.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::{
    NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach,
    NetnsHook, SockmapAttach, SockmapHook, TcxAttach, TcxHook, XdpAttach, XdpMode,
};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let map: File = given();
    keep(XdpAttach::to("eth0").attach(&program)?);
    keep(XdpAttach::to("eth0").mode(XdpMode::Skb).attach(&program)?);
    keep(TcxAttach::to("eth0", TcxHook::Ingress).attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::SkLookup).attach(&program)?);
    keep(NetnsAttach::to("/run/netns/blue", NetnsHook::FlowDissector).attach(&program)?);
    keep(SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?);
    keep(SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).attach(&program)?);
    keep(NetkitAttach::to("nk0", NetkitHook::Primary).attach(&program)?);
    keep(
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300)
            .attach(&program)?,
    );
    keep(NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300).defragmented());
    keep(TcxAttach::to("eth0", TcxHook::Egress));
    keep(NetkitAttach::to("nk0", NetkitHook::Peer));
    keep(SockmapAttach::to(&map, SockmapHook::SkbStreamParser));
    keep(SockmapAttach::to(&map, SockmapHook::SkbVerdict));
    Ok(())
}
