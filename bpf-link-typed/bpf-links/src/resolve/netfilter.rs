//! The families and hooks of netfilter.

/// The name of a family of protocols.
pub(crate) fn family_name(family: u32) -> Option<&'static str> {
    Some(match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => return None,
    })
}

/// The name of a family's hook.
pub(crate) fn hook_name(family: u32, hook: u32) -> Option<&'static str> {
    Some(match (family, hook) {
        (1 | 2 | 7 | 10, 0) => "prerouting",
        (1 | 2 | 7 | 10, 1) | (3, 0) => "input",
        (1..=3 | 7 | 10, 2) => "forward",
        (1 | 2 | 7 | 10, 3) | (3, 1) => "output",
        (1 | 2 | 7 | 10, 4) => "postrouting",
        (1, 5) | (5, 0) => "ingress",
        (5, 1) => "egress",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(family_name(2), Some("ip"));
        assert_eq!(hook_name(2, 3), Some("output"));
        assert_eq!(hook_name(3, 0), Some("input"));
        assert_eq!((family_name(99), hook_name(2, 99)), (None, None));
    }
}
