//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, Hideable, LinkInfoRef, LinkKind, RecordedBuffers};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::TracingMulti)
        .u32(16, AttachType::TraceFentryMulti.as_raw())
        .u32(20, 2)
        .u32(24, 1);
    let buffers = RecordedBuffers {
        ids: &[10, 20],
        addresses: &[0, 0],
        cookies: &[3, 4],
        ..NONE
    };
    check!(bytes, buffers, TracingMulti(info) => {
        assert_eq!(info.attach_type, Some(AttachType::TraceFentryMulti));
        assert_eq!(info.btf_obj_id.map(u32::from), Some(1));
        assert_eq!((info.count, info.ids), (Some(2), Some([10, 20].as_slice())));
        assert_eq!(info.addresses, Some(Hideable::Hidden));
        assert_eq!(info.cookies, Some([3, 4].as_slice()));
    });
    // Linux 7.2 says nothing, and the first attach type is 0.
    check!(Bytes::of(LinkKind::TracingMulti), NONE, TracingMulti(info) => {
        assert_eq!((info.attach_type, info.count, info.ids), (None, None, None));
    });
}
