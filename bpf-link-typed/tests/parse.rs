//! What is read from the bytes of an info, on any machine.
#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use bpf_link_typed::{
    AttachType, CgroupIterOrder, Error, Hideable, IterTarget, KindFacts, KprobeMultiFlags,
    LinkInfo, LinkInfoRef, LinkKind, NetfilterFlags, PerfEventDetailsRef, RecordedBuffers,
    UprobeMultiFlags,
};

const SIZE: usize = bpf_link::LinkInfo::SIZE;

/// The bytes of an info of this kind, with 12 as the id of the link and 34 as that of the program.
struct Bytes([u8; SIZE]);

impl Bytes {
    fn of(kind: LinkKind) -> Self {
        Self([0; SIZE]).u32(0, kind.as_raw()).u32(4, 12).u32(8, 34)
    }

    fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn check(&self, buffers: RecordedBuffers<'_>, check: impl FnOnce(LinkInfoRef<'_>)) {
        self.check_len(SIZE, buffers, check);
    }

    /// The same, as a kernel has it whose info is shorter.
    fn check_len(
        &self,
        len: usize,
        buffers: RecordedBuffers<'_>,
        check: impl FnOnce(LinkInfoRef<'_>),
    ) {
        let info = bpf_link::LinkInfo::from_bytes(&self.0[..len]).expect("it has a header");
        let view = LinkInfoRef::parse(&info, buffers).expect("it is long enough");
        assert_eq!((view.kind(), view.id().get()), (info.kind(), 12));
        assert_eq!(view.program_id().map(u32::from), Some(34));
        let owned = view.into_owned();
        assert_eq!(owned.kind(), view.kind());
        assert_eq!(owned.id(), view.id());
        assert_eq!(owned.program_id(), view.program_id());
        assert_eq!(owned.is_defunct(), view.is_defunct());
        check(view);
    }
}

const NONE: RecordedBuffers<'_> = RecordedBuffers {
    name: &[],
    ids: &[],
    addresses: &[],
    offsets: &[],
    ref_ctr_offsets: &[],
    cookies: &[],
};

fn named(name: &[u8]) -> RecordedBuffers<'_> {
    RecordedBuffers { name, ..NONE }
}

macro_rules! check {
    ($bytes:expr, $buffers:expr, $Variant:ident($info:ident) => $check:expr) => {
        $bytes.check($buffers, |view| {
            let LinkInfoRef::$Variant($info) = view else {
                panic!("{view:?}")
            };
            $check
        })
    };
}

#[test]
fn raw_tracepoint() {
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

#[test]
fn tracing() {
    let bytes = Bytes::of(LinkKind::Tracing)
        .u32(16, AttachType::TraceFexit.as_raw())
        .u32(20, 1)
        .u32(24, 4711)
        .u64(32, 9);
    check!(bytes, NONE, Tracing(info) => {
        assert_eq!(info.attach_type, AttachType::TraceFexit);
        assert_eq!(info.target_obj_id, Some(1));
        assert_eq!(info.target_btf_id.map(u32::from), Some(4711));
        assert_eq!(info.cookie, Some(9));
    });
    // Linux 5.10 has 32 bytes, of which the cookie is not one.
    bytes.check_len(32, NONE, |view| {
        assert!(matches!(view, LinkInfoRef::Tracing(info) if info.cookie.is_none()));
    });
}

#[test]
fn cgroup() {
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

#[test]
fn iter() {
    let of = || Bytes::of(LinkKind::Iter);
    let target = |bytes: Bytes, name: &[u8], expected| {
        check!(bytes, named(name), Iter(info) => assert_eq!(info.target, expected, "{info:?}"));
    };
    target(of(), b"bpf_map\0", IterTarget::All);
    let map = bpf_link_typed::MapId::new(5).expect("it is not 0");
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
    // What a later kernel says there of an iterator that this release does not know is not taken for a task.
    target(over_cgroups(), b"something\0", IterTarget::All);
    target(over_cgroups(), b"", IterTarget::All);
    over_cgroups().check_len(32, named(b"cgroup\0"), |view| {
        assert!(matches!(view, LinkInfoRef::Iter(info) if info.target == IterTarget::All));
    });
    check!(of(), named(b"task\0"), Iter(info) => assert_eq!(info.target_name, Some(c"task")));
}

#[test]
fn netns_and_devices() {
    let bytes = Bytes::of(LinkKind::Netns)
        .u32(16, 0xf000_0001)
        .u32(20, AttachType::SkLookup.as_raw());
    check!(bytes, NONE, Netns(info) => {
        assert_eq!(info.netns_ino, Some(0xf000_0001));
        assert_eq!(info.attach_type, AttachType::SkLookup);
    });
    check!(bytes.u32(16, 0), NONE, Netns(info) => assert_eq!(info.is_defunct(), Some(true)));

    check!(Bytes::of(LinkKind::Xdp).u32(16, 3), NONE, Xdp(info) => {
        assert_eq!((info.ifindex, info.is_defunct()), (Some(3), Some(false)));
    });
    check!(Bytes::of(LinkKind::Xdp), NONE, Xdp(info) => {
        assert_eq!((info.ifindex, info.is_defunct()), (None, Some(true)));
    });

    let on_device =
        |kind, attach_type: AttachType| Bytes::of(kind).u32(16, 3).u32(20, attach_type.as_raw());
    check!(on_device(LinkKind::Tcx, AttachType::TcxEgress), NONE, Tcx(info) => {
        assert_eq!((info.ifindex, info.attach_type), (Some(3), AttachType::TcxEgress));
        assert_eq!(info.is_defunct(), Some(false));
    });
    check!(on_device(LinkKind::Netkit, AttachType::Unknown(99)), NONE, Netkit(info) => {
        assert_eq!((info.ifindex, info.attach_type), (Some(3), AttachType::Unknown(99)));
        assert_eq!(info.is_defunct(), Some(false));
    });
}

#[test]
fn maps_and_netfilter() {
    let bytes = Bytes::of(LinkKind::Sockmap)
        .u32(16, 8)
        .u32(20, AttachType::SkMsgVerdict.as_raw());
    check!(bytes, NONE, Sockmap(info) => {
        assert_eq!(info.map_id.map(u32::from), Some(8));
        assert_eq!(info.attach_type, AttachType::SkMsgVerdict);
    });
    check!(bytes.u32(16, 0), NONE, Sockmap(info) => assert_eq!(info.is_defunct(), Some(true)));

    check!(Bytes::of(LinkKind::StructOps).u32(16, 8), NONE, StructOps(info) => {
        assert_eq!(info.map_id.map(u32::from), Some(8));
        assert_eq!(info.is_defunct(), Some(false));
    });

    let bytes = Bytes::of(LinkKind::Netfilter)
        .u32(16, 10)
        .u32(20, 4)
        .u32(24, u32::from_ne_bytes((-128_i32).to_ne_bytes()))
        .u32(28, 3);
    check!(bytes, NONE, Netfilter(info) => {
        assert_eq!((info.family, info.hook, info.priority), (10, 4, -128));
        assert_eq!(info.flags, NetfilterFlags::from_bits_retain(3));
        assert!(info.flags.contains(NetfilterFlags::IP_DEFRAG));
        assert_eq!(info.is_defunct(), None);
    });
}

#[test]
fn perf_event() {
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
        assert_eq!(&bytes[..4], &99_u32.to_ne_bytes());
    });
}

#[test]
fn kprobe_multi() {
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

#[test]
fn uprobe_multi() {
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

#[test]
fn tracing_multi() {
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

#[test]
fn a_later_kind_keeps_its_bytes() {
    let bytes = Bytes::of(LinkKind::Unknown(99)).u64(56, 5);
    check!(bytes, NONE, Other(info) => {
        assert_eq!((info.kind, info.bytes), (LinkKind::Unknown(99), bytes.0.as_slice()));
        assert_eq!(info.is_defunct(), None);
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

/// Every kind that there is, some that there are not, every length, and whatever bytes.
#[test]
fn nothing_panics() {
    let random = BuildHasherDefault::<DefaultHasher>::default();
    let mut seed = 0_u64;
    let mut next = || {
        seed += 1;
        random.hash_one(seed)
    };
    for round in 0..16 {
        let noise: [u64; 12] = std::array::from_fn(|_| next());
        let name: Vec<u8> = noise.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let ids = noise.map(|word| u32::try_from(word >> 32).expect("it is 32 bits"));
        let buffers = RecordedBuffers {
            name: if round % 2 == 0 { &name } else { b"task\0" },
            ids: &ids,
            addresses: &noise,
            offsets: &noise[..1],
            ref_ctr_offsets: &[],
            cookies: &noise[..5],
        };
        for kind in 0_u32..18 {
            // Perf events have types of their own.
            for perf_type in [0, 1, 3, 5, 6, 7, u32::MAX] {
                let mut bytes = name.clone();
                bytes[..4].copy_from_slice(&kind.to_ne_bytes());
                bytes[16..20].copy_from_slice(&perf_type.to_ne_bytes());
                for len in 0..=bytes.len() {
                    let Some(info) = bpf_link::LinkInfo::from_bytes(&bytes[..len]) else {
                        assert!(len < 12);
                        continue;
                    };
                    match LinkInfoRef::parse(&info, buffers) {
                        Ok(view) => drop(format!("{:?}", LinkInfo::from(view).is_defunct())),
                        Err(Error::ShortInfo { len: reported }) => {
                            assert!(len < 32 && reported == len);
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn it_can_be_kept_and_sent() {
    fn check<T: Send + Sync + 'static>() {}
    fn check_clone<T: Clone + PartialEq + std::fmt::Debug>() {}
    check::<LinkInfo>();
    check::<bpf_link_typed::Link>();
    check::<bpf_link_typed::InfoBuf>();
    check::<Error>();
    check_clone::<LinkInfo>();
}

/// The facts of a kind name the fields that its info has.
#[test]
fn the_facts_name_the_fields() {
    for facts in KindFacts::ALL {
        Bytes::of(facts.kind).check(NONE, |view| {
            // Written out, a struct is its name and its fields, each followed by a colon.
            let text = format!("{:#?}", view.into_owned());
            let fields: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("        "))
                .filter(|line| !line.starts_with(' '))
                .filter_map(|line| Some(line.split_once(':')?.0))
                .collect();
            let mut expected: Vec<&str> = facts.fields.iter().map(|(name, _)| *name).collect();
            let mut found: Vec<&str> = fields[2..].to_vec();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!((fields[0], fields[1]), ("id", "program_id"));
            assert_eq!(found, expected, "{}", facts.kind);
        });
    }
}
