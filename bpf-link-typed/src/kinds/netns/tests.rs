//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Netns)
        .u32(16, 0xf000_0001)
        .u32(20, AttachType::SkLookup.as_raw());
    check!(bytes, NONE, Netns(info) => {
        assert_eq!(info.netns_ino, Some(0xf000_0001));
        assert_eq!(info.attach_type, AttachType::SkLookup);
    });
    check!(bytes.u32(16, 0), NONE, Netns(info) => assert_eq!(info.is_defunct(), Some(true)));
}
