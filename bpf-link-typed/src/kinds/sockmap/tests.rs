//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Sockmap)
        .u32(16, 8)
        .u32(20, AttachType::SkMsgVerdict.as_raw());
    check!(bytes, NONE, Sockmap(info) => {
        assert_eq!(info.map_id.map(u32::from), Some(8));
        assert_eq!(info.attach_type, AttachType::SkMsgVerdict);
    });
    check!(bytes.u32(16, 0), NONE, Sockmap(info) => assert_eq!(info.is_defunct(), Some(true)));
}
