//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{Hideable, KprobeMultiFlags, LinkInfoRef, LinkKind, RecordedBuffers};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::KprobeMulti)
        .u32(24, 2)
        .u32(28, 1)
        .u64(32, 5);
    let buffers = RecordedBuffers {
        addresses: &[1, 2, 3],
        cookies: &[4, 5, 6],
        ..NONE
    };
    check!(bytes, buffers, KprobeMulti(info) => {
        assert_eq!(info.count, Some(2));
        assert_eq!(info.addresses, Some(Hideable::Visible([1, 2].as_slice())));
        assert_eq!(info.cookies, Some([4, 5].as_slice()));
        assert_eq!(info.flags, Some(KprobeMultiFlags::RETURN));
        assert_eq!(info.missed, Some(5));
    });
    let hidden = RecordedBuffers {
        addresses: &[0, 0],
        ..NONE
    };
    check!(bytes.u32(28, 0), hidden, KprobeMulti(info) => {
        assert_eq!((info.addresses, info.cookies), (Some(Hideable::Hidden), None));
        assert_eq!(info.flags, Some(KprobeMultiFlags::empty()));
    });
    // Before Linux 6.6 the kernel says nothing.
    check!(Bytes::of(LinkKind::KprobeMulti), NONE, KprobeMulti(info) => {
        assert_eq!((info.count, info.addresses, info.flags), (None, None, None));
        assert_eq!((info.cookies, info.missed), (None, None));
    });
}

/// A count that is not that of the arrays reads no further than they go.
#[test]
fn a_count_that_is_wrong() {
    let bytes = Bytes::of(LinkKind::KprobeMulti).u32(24, u32::MAX);
    let buffers = RecordedBuffers {
        addresses: &[1],
        ..NONE
    };
    check!(bytes, buffers, KprobeMulti(info) => {
        assert_eq!(info.addresses, Some(Hideable::Visible([1].as_slice())));
        assert_eq!(info.cookies, None);
    });
}
