//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{LinkInfoRef, LinkKind, NetfilterFamily, NetfilterFlags, NetfilterHook};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Netfilter)
        .u32(16, 10)
        .u32(20, 4)
        .u32(24, u32::from_ne_bytes((-128_i32).to_ne_bytes()))
        .u32(28, 3);
    check!(bytes, NONE, Netfilter(info) => {
        assert_eq!((info.family, info.hook, info.priority),
            (NetfilterFamily::Ipv6, NetfilterHook::PostRouting, -128));
        assert_eq!(info.flags, NetfilterFlags::from_bits_retain(3));
        assert!(info.flags.contains(NetfilterFlags::IP_DEFRAG));
        assert_eq!(info.is_defunct(), None);
    });
}

#[test]
fn numbers_that_this_release_does_not_know_are_kept() {
    let bytes = Bytes::of(LinkKind::Netfilter)
        .u32(16, 77)
        .u32(20, 99)
        .u32(28, 0x8000_0001);
    check!(bytes, NONE, Netfilter(info) => {
        assert_eq!((info.family, info.hook), (NetfilterFamily::Other(77), NetfilterHook::Other(99)));
        assert_eq!((info.family.as_raw(), info.hook.as_raw()), (77, 99));
        assert_eq!(info.flags.bits(), 0x8000_0001);
        assert_ne!(info.hook, NetfilterHook::LocalIn);
    });
}
