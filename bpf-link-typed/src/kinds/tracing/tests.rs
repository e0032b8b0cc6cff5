//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind, TracingHook};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Tracing)
        .u32(16, AttachType::TraceFexit.as_raw())
        .u32(20, 1)
        .u32(24, 4711)
        .u64(32, 9);
    check!(bytes, NONE, Tracing(info) => {
        assert_eq!(info.attach_type, TracingHook::Fexit);
        assert_eq!(info.target_obj_id, Some(1));
        assert_eq!(info.target_btf_id.map(u32::from), Some(4711));
        assert_eq!(info.cookie, Some(9));
    });
    let unknown = Bytes::of(LinkKind::Tracing).u32(16, 999);
    check!(unknown, NONE, Tracing(info) => {
        assert_eq!(info.attach_type.attach_type().as_raw(), 999);
    });
    // Linux 5.10 has 32 bytes, of which the cookie is not one.
    bytes.check_len(32, NONE, |view| {
        assert!(matches!(view, LinkInfoRef::Tracing(info) if info.cookie.is_none()));
    });
}
