//! What is read from the bytes of an info.

use crate::info::recorded::{Bytes, NONE, SIZE, check, named};
use crate::{Hideable, LinkInfoRef, LinkKind, PerfEventDetailsRef};

#[test]
fn what_is_in_the_bytes() {
    let of = |number| Bytes::of(LinkKind::PerfEvent).u32(16, number);
    check!(of(0), NONE, PerfEvent(info) => {
        assert_eq!(info.event, PerfEventDetailsRef::NotReported);
    });
    let uprobe = of(2).u32(36, 64).u64(40, 5).u64(48, 6);
    check!(uprobe, named(b"/bin/true\0"), PerfEvent(info) => {
        let PerfEventDetailsRef::Uretprobe(probe) = info.event else { panic!("{info:?}") };
        assert_eq!((probe.file, probe.offset), (Some(c"/bin/true"), 64));
        assert_eq!((probe.cookie, probe.ref_ctr_offset), (Some(5), Some(6)));
    });
    let kprobe = of(3).u32(36, 4).u64(40, u64::MAX - 7).u64(48, 2).u64(56, 9);
    // The length of the name is 0, as with kernels from Linux 6.6 to 6.11 although there is one.
    check!(kprobe, named(b"vfs_read\0"), PerfEvent(info) => {
        let PerfEventDetailsRef::Kprobe(probe) = info.event else { panic!("{info:?}") };
        assert_eq!((probe.function, probe.offset), (Some(c"vfs_read"), 4));
        assert_eq!(probe.address, Hideable::Visible(u64::MAX - 7));
        assert_eq!((probe.missed, probe.cookie), (Some(2), Some(9)));
    });
    // By address, which is hidden; and Linux 6.6 has 48 bytes.
    of(4).check_len(48, named(b"\0"), |view| {
        let LinkInfoRef::PerfEvent(info) = view else {
            panic!("{view:?}")
        };
        let PerfEventDetailsRef::Kretprobe(probe) = info.event else {
            panic!("{info:?}")
        };
        assert_eq!((probe.function, probe.address), (None, Hideable::Hidden));
        assert_eq!((probe.missed, probe.cookie), (None, None));
    });
    check!(of(5).u64(40, 1), named(b"sched_switch\0"), PerfEvent(info) => {
        let PerfEventDetailsRef::Tracepoint(tracepoint) = info.event else { panic!("{info:?}") };
        assert_eq!((tracepoint.name, tracepoint.cookie), (Some(c"sched_switch"), Some(1)));
    });
    check!(of(6).u64(24, 8).u32(32, 1).u64(40, 2), NONE, PerfEvent(info) => {
        let PerfEventDetailsRef::Event(event) = info.event else { panic!("{info:?}") };
        assert_eq!((event.event_type, event.config, event.cookie), (1, 8, Some(2)));
    });
    check!(of(99).u32(32, 0x0102_0304), NONE, PerfEvent(info) => {
        let PerfEventDetailsRef::Unknown { number, bytes } = info.event else { panic!("{info:?}") };
        assert_eq!((number, bytes.len()), (99, SIZE - 16));
        assert_eq!(bytes.first_chunk(), Some(&99_u32.to_ne_bytes()));
    });
}
