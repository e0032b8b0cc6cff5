//! What a snapshot tells of one link.

use std::fmt;

use super::field::{Field, Fields};
use super::record::Record;
use crate::args::CgroupIterOrder;
use crate::attach_type::AttachType;
use crate::id::{BtfTypeId, LinkId, MapId, ProgramId};
use crate::iter_target::IterTarget;
use crate::kind::LinkKind;

/// What a snapshot tells of one link.
///
/// Each field but the first three is `None` if links of this kind do not have it, or if it was not
/// found in this kernel: [`RawLink::info`](crate::RawLink::info) may tell then. A number that the
/// kernel has as 0 is 0. For what a link is attached to, that is so once the device, cgroup,
/// network namespace or map has gone, or the link was detached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEntry {
    id: LinkId,
    record: Record,
    known: Fields,
}

impl SnapshotEntry {
    pub(super) fn new(id: LinkId, record: Record, known: Fields) -> Self {
        Self { id, record, known }
    }

    /// The id of the link.
    #[inline]
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// The kind of the link.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        LinkKind::from_raw(self.record.kind)
    }

    /// The id of the program that is attached, or was until the link was detached. `None` for
    /// `struct_ops` links, which have no program.
    #[inline]
    #[must_use]
    pub fn program_id(&self) -> Option<ProgramId> {
        ProgramId::new(self.record.program_id)
    }

    /// How many references the kernel has to the link, besides that of the snapshot: open files
    /// (however many descriptors each has), pins, and what looks at the link right now.
    #[must_use]
    pub fn references(&self) -> Option<u64> {
        let references = self.wide(Field::References)?;
        Some(references.saturating_sub(1))
    }

    /// Whether both entries say the same, apart from [`references`](Self::references), which change
    /// whenever somebody opens the link.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let place = Field::References.place();
        self.record.without(place) == other.record.without(place) && self.known == other.known
    }

    /// The attach type: of `tracing`, `cgroup`, `netns`, `tcx`, `netkit`, `sockmap` and
    /// `tracing_multi` links.
    #[must_use]
    pub fn attach_type(&self) -> Option<AttachType> {
        self.word(Field::AttachType).map(AttachType::from_raw)
    }

    /// The network device, by its index in the network namespace that it is in: of `xdp`, `tcx` and
    /// `netkit` links.
    #[must_use]
    pub fn ifindex(&self) -> Option<u32> {
        self.word(Field::Ifindex)
    }

    /// The network namespace, by the inode of files such as `/proc/self/ns/net`: of `netns` and
    /// `netfilter` links; and that of the device, which no info tells, of `xdp`, `tcx` and `netkit`
    /// links.
    #[must_use]
    pub fn netns_inode(&self) -> Option<u32> {
        self.word(Field::NetnsInode)
    }

    /// The cgroup, by the inode of its directory: of `cgroup` links.
    #[must_use]
    pub fn cgroup_id(&self) -> Option<u64> {
        if self.kind() == LinkKind::Iter {
            return None;
        }
        self.wide(Field::CgroupId)
    }

    /// The map: of `struct_ops` and `sockmap` links.
    #[must_use]
    pub fn map_id(&self) -> Option<u32> {
        if self.kind() == LinkKind::Iter {
            return None;
        }
        self.word(Field::MapId)
    }

    /// Which objects of its sort an `iter` link goes over.
    #[must_use]
    pub fn iter_target(&self) -> Option<IterTarget> {
        /// `BPF_TASK_ITER_TID`
        const TID: u32 = 1;
        /// `BPF_TASK_ITER_TGID`
        const TGID: u32 = 2;
        if let Some(map) = MapId::new(self.word(Field::MapId)?) {
            return Some(IterTarget::Map(map));
        }
        let cgroup_id = self.wide(Field::CgroupId)?;
        if cgroup_id != 0 {
            let order = self
                .word(Field::CgroupOrder)
                .map(CgroupIterOrder::from_raw)?;
            return Some(IterTarget::Cgroup { cgroup_id, order });
        }
        let task = self.word(Field::TaskId)?;
        Some(match self.word(Field::TaskScope)? {
            TID => IterTarget::Tid(task),
            TGID => IterTarget::Pid(task),
            _ => IterTarget::All,
        })
    }

    /// What `bpf_get_attach_cookie` returns to the program: of `raw_tracepoint`, `tracing` and
    /// `perf_event` links. The kernel may have a cookie that its info does not tell yet.
    #[must_use]
    pub fn cookie(&self) -> Option<u64> {
        self.wide(Field::Cookie)
    }

    /// Where the function is that a `tracing` link is attached to: the id of the program if it is a
    /// function of a program, otherwise the id of the BTF object of the kernel or of a module.
    #[must_use]
    pub fn target_obj_id(&self) -> Option<u32> {
        let [object, _] = self.trampoline_key()?;
        Some(object)
    }

    /// The function that a `tracing` link is attached to, as the number of its type in the BTF
    /// object.
    #[must_use]
    pub fn target_btf_id(&self) -> Option<BtfTypeId> {
        let [_, function] = self.trampoline_key()?;
        BtfTypeId::new(function)
    }

    /// The type of the perf event (`PERF_TYPE_*`, or the number of a PMU) of a `perf_event` link.
    #[must_use]
    pub fn event_type(&self) -> Option<u32> {
        self.word(Field::EventType)
    }

    /// The configuration of the perf event of a `perf_event` link.
    #[must_use]
    pub fn event_config(&self) -> Option<u64> {
        self.wide(Field::EventConfig)
    }

    /// How many places the program is attached to: of `kprobe_multi`, `uprobe_multi` and
    /// `tracing_multi` links.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        self.word(Field::Count)
    }

    /// The flags (`BPF_F_*`) of `kprobe_multi` and `uprobe_multi` links.
    #[must_use]
    pub fn flags(&self) -> Option<u32> {
        self.word(Field::Flags)
    }

    /// The family of protocols (`NFPROTO_*`) of a `netfilter` link.
    #[must_use]
    pub fn netfilter_family(&self) -> Option<u32> {
        self.word(Field::Family)
    }

    /// The hook (`NF_*`) of a `netfilter` link.
    #[must_use]
    pub fn netfilter_hook(&self) -> Option<u32> {
        self.word(Field::Hook)
    }

    /// The place of a `netfilter` link among the others on its hook, which run from the lowest to
    /// the highest.
    #[must_use]
    pub fn netfilter_priority(&self) -> Option<i32> {
        let priority = self.word(Field::Priority)?;
        Some(i32::from_ne_bytes(priority.to_ne_bytes()))
    }

    /// Whether a `netfilter` link is off its hook, which no info tells: it was detached, or its
    /// network namespace has gone.
    #[must_use]
    pub fn is_dead(&self) -> Option<bool> {
        self.word(Field::IsDead).map(|dead| dead != 0)
    }

    /// `bpf_trampoline_compute_key`: the object, a bit that tells a function of the kernel, and the
    /// function.
    fn trampoline_key(&self) -> Option<[u32; 2]> {
        let key = self.wide(Field::TrampolineKey)?;
        let object = u32::try_from(key >> 32).ok()?;
        Some([object, u32::try_from(key & 0x7fff_ffff).ok()?])
    }

    fn wide(&self, field: Field) -> Option<u64> {
        self.known.has(field).then(|| self.record.at(field.place()))
    }

    fn word(&self, field: Field) -> Option<u32> {
        self.wide(field)
            .and_then(|number| u32::try_from(number).ok())
    }
}

/// With the fields that are known.
impl fmt::Debug for SnapshotEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entry = f.debug_struct("SnapshotEntry");
        entry.field("id", &self.id.get());
        entry.field("kind", &self.kind());
        entry.field("program_id", &self.program_id().map(ProgramId::get));
        macro_rules! known {
            ($($field:ident)+) => { $(
                if let Some(value) = self.$field() {
                    entry.field(stringify!($field), &value);
                }
            )+ };
        }
        known! {
            references attach_type ifindex netns_inode cgroup_id map_id iter_target cookie
            target_obj_id target_btf_id event_type event_config count flags netfilter_family
            netfilter_hook netfilter_priority is_dead
        }
        entry.finish_non_exhaustive()
    }
}
