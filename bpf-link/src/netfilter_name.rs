//! What families and hooks of netfilter are called.

use bpf_link_sys as c;

/// The name that `nft` has for a family (`NFPROTO_*`), such as `ip`; `None` for a number without
/// one.
#[must_use]
pub const fn netfilter_family_name(family: u32) -> Option<&'static str> {
    Some(match family {
        c::NFPROTO_INET => "inet",
        c::NFPROTO_IPV4 => "ip",
        c::NFPROTO_ARP => "arp",
        c::NFPROTO_NETDEV => "netdev",
        c::NFPROTO_BRIDGE => "bridge",
        c::NFPROTO_IPV6 => "ip6",
        _ => return None,
    })
}

/// The name that `nft` has for a hook of a family, such as `prerouting`. The numbers of hooks are
/// those of their family. `None` for a number without a name.
#[must_use]
pub const fn netfilter_hook_name(family: u32, hook: u32) -> Option<&'static str> {
    use c::{
        NF_INET_FORWARD, NF_INET_INGRESS, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT,
        NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
    };
    use c::{NFPROTO_ARP, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6};
    Some(match (family, hook) {
        // The second is `NF_NETDEV_INGRESS`.
        (NFPROTO_INET, NF_INET_INGRESS) | (c::NFPROTO_NETDEV, 0) => "ingress",
        (NFPROTO_INET | NFPROTO_IPV4 | NFPROTO_BRIDGE | NFPROTO_IPV6, hook) => match hook {
            NF_INET_PRE_ROUTING => "prerouting",
            NF_INET_LOCAL_IN => "input",
            NF_INET_FORWARD => "forward",
            NF_INET_LOCAL_OUT => "output",
            NF_INET_POST_ROUTING => "postrouting",
            _ => return None,
        },
        // `NF_ARP_IN`, `NF_ARP_OUT` and `NF_ARP_FORWARD`.
        (NFPROTO_ARP, 0) => "input",
        (NFPROTO_ARP, 1) => "output",
        (NFPROTO_ARP, 2) => "forward",
        // `NF_NETDEV_EGRESS`.
        (c::NFPROTO_NETDEV, 1) => "egress",
        _ => return None,
    })
}
