//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind, NetkitHook};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Netkit)
        .u32(16, 3)
        .u32(20, AttachType::Unknown(99).as_raw());
    check!(bytes, NONE, Netkit(info) => {
        assert_eq!((info.ifindex, info.attach_type), (Some(3), NetkitHook::Other(AttachType::Unknown(99))));
        assert_eq!(info.is_defunct(), Some(false));
    });
}
