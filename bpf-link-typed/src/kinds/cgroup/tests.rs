//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, check};
use crate::{AttachType, LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    let bytes = Bytes::of(LinkKind::Cgroup)
        .u64(16, 1 << 40)
        .u32(24, AttachType::CgroupSysctl.as_raw());
    check!(bytes, NONE, Cgroup(info) => {
        assert_eq!(info.cgroup_id, Some(1 << 40));
        assert_eq!(info.attach_type, AttachType::CgroupSysctl);
        assert_eq!(info.is_defunct(), Some(false));
    });
    check!(bytes.u64(16, 0), NONE, Cgroup(info) => {
        assert_eq!((info.cgroup_id, info.is_defunct()), (None, Some(true)));
    });
}
