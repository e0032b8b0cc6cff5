//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{LinkInfoRef, LinkKind, RecordedBuffers, UprobeMultiFlags};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::UprobeMulti)
        .u32(48, 9)
        .u32(52, 2)
        .u32(56, 1)
        .u32(60, 77);
    let buffers = RecordedBuffers {
        name: b"/bin/ls\0",
        offsets: &[16, 32],
        ref_ctr_offsets: &[0, 8],
        cookies: &[1, 2],
        ..NONE
    };
    check!(bytes, buffers, UprobeMulti(info) => {
        assert_eq!((info.path, info.count, info.pid), (Some(c"/bin/ls"), Some(2), Some(77)));
        assert_eq!(info.offsets, Some([16, 32].as_slice()));
        assert_eq!(info.ref_ctr_offsets, Some([0, 8].as_slice()));
        assert_eq!(info.cookies, Some([1, 2].as_slice()));
        assert_eq!(info.flags, Some(UprobeMultiFlags::RETURN));
    });
    // Linux 6.6 has 48 bytes, and says nothing.
    bytes.check_len(48, NONE, |view| {
        let LinkInfoRef::UprobeMulti(info) = view else {
            panic!("{view:?}")
        };
        assert_eq!(
            (info.path, info.count, info.pid, info.flags),
            (None, None, None, None)
        );
    });
}
