//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind, TcxHook};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Tcx)
        .u32(16, 3)
        .u32(20, AttachType::TcxEgress.as_raw());
    check!(bytes, NONE, Tcx(info) => {
        assert_eq!((info.ifindex, info.attach_type), (Some(3), TcxHook::Egress));
        assert_eq!(info.is_defunct(), Some(false));
    });
}
