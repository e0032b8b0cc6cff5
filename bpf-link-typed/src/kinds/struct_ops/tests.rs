//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    check!(Bytes::of(LinkKind::StructOps).u32(16, 8), NONE, StructOps(info) => {
        assert_eq!(info.map_id.map(u32::from), Some(8));
        assert_eq!(info.is_defunct(), Some(false));
    });
}
