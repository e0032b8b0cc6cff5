//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check, named};
use crate::{LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::RawTracepoint).u64(32, 7);
    check!(bytes, named(b"sched_switch\0rest"), RawTracepoint(info) => {
        assert_eq!((info.name, info.cookie), (Some(c"sched_switch"), Some(7)));
        assert_eq!(info.is_defunct(), Some(false));
    });
    // In a recording, nothing tells a cookie of 0 from none.
    check!(bytes.u64(32, 0), NONE, RawTracepoint(info) => {
        assert_eq!((info.name, info.cookie), (None, None));
    });
    check!(Bytes::of(LinkKind::RawTracepoint), named(b"no end"), RawTracepoint(info) => {
        assert_eq!(info.name, None);
    });
}
