//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, check, named};
use crate::{CgroupIterOrder, IterTarget, LinkInfoRef, LinkKind};

#[test]
fn what_is_in_the_bytes() {
    let of = || Bytes::of(LinkKind::Iter);
    let target = |bytes: Bytes, name: &[u8], expected| {
        check!(bytes, named(name), Iter(info) => assert_eq!(info.target, expected, "{info:?}"));
    };
    target(of(), b"bpf_map\0", IterTarget::All);
    let map = crate::MapId::new(5).expect("it is not 0");
    target(of().u32(28, 5), b"bpf_map_elem\0", IterTarget::Map(map));
    target(of().u32(32, 7), b"task\0", IterTarget::Tid(7));
    target(of().u32(36, 7), b"task_file\0", IterTarget::Pid(7));
    target(of(), b"task_vma\0", IterTarget::All);
    let cgroup = IterTarget::Cgroup {
        cgroup_id: 1 << 40,
        order: CgroupIterOrder::AncestorsUp,
    };
    let over_cgroups = || {
        of().u64(32, 1 << 40)
            .u32(40, CgroupIterOrder::AncestorsUp.as_raw())
    };
    target(over_cgroups(), b"cgroup\0", cgroup);
    // What a later kernel says there of an iterator that this release does not know is not taken
    // for a task.
    target(over_cgroups(), b"something\0", IterTarget::All);
    target(over_cgroups(), b"", IterTarget::All);
    over_cgroups().check_len(32, named(b"cgroup\0"), |view| {
        assert!(matches!(view, LinkInfoRef::Iter(info) if info.target == IterTarget::All));
    });
    check!(of(), named(b"task\0"), Iter(info) => assert_eq!(info.target_name, Some(c"task")));
}
