//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    check!(Bytes::of(LinkKind::Xdp).u32(16, 3), NONE, Xdp(info) => {
        assert_eq!((info.ifindex, info.is_defunct()), (Some(3), Some(false)));
    });
    check!(Bytes::of(LinkKind::Xdp), NONE, Xdp(info) => {
        assert_eq!((info.ifindex, info.is_defunct()), (None, Some(true)));
    });
}
