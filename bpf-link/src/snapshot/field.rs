//! What a snapshot tells of links besides their ids, kinds and programs: where each kind's
//! structure has it, and where a record does.

use super::record::Place::{self, Wide, Word};
use crate::kind::LinkKind;

/// Something that a snapshot tells of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    References,
    AttachType,
    Ifindex,
    NetnsInode,
    CgroupId,
    CgroupOrder,
    MapId,
    TaskScope,
    TaskId,
    Cookie,
    TrampolineKey,
    EventType,
    EventConfig,
    Count,
    Flags,
    Family,
    Hook,
    Priority,
    IsDead,
}

impl Field {
    /// Where a record has it. Fields that no kind has both of share a place.
    pub(super) const fn place(self) -> Place {
        match self {
            Self::AttachType | Self::TaskScope | Self::EventType | Self::Family => Word(0),
            Self::Ifindex | Self::MapId | Self::Count | Self::Hook => Word(1),
            Self::NetnsInode | Self::Flags | Self::TaskId => Word(2),
            Self::Priority | Self::CgroupOrder => Word(3),
            Self::IsDead => Word(4),
            Self::References => Wide(0),
            Self::Cookie | Self::CgroupId => Wide(1),
            Self::TrampolineKey | Self::EventConfig => Wide(2),
        }
    }
}

/// What is known of the links of one kind: a set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(u32);

impl Fields {
    pub(super) const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u32)
    }

    pub(super) const fn has(self, field: Field) -> bool {
        self.0 >> field as u32 & 1 == 1
    }
}

/// A field, and the ways to it, as `Look::number` takes them. The first that the kernel has is
/// taken.
pub(super) type Ways = (Field, &'static [&'static str]);

/// A kind of links.
#[derive(Debug)]
pub(super) struct KindFields {
    pub(super) kind: LinkKind,
    /// The kernel's structure of such links, and the `struct bpf_link` in it.
    pub(super) structure: &'static str,
    pub(super) link: &'static str,
    pub(super) fields: &'static [Ways],
}

const fn kind(
    kind: LinkKind,
    structure: &'static str,
    link: &'static str,
    fields: &'static [Ways],
) -> KindFields {
    KindFields {
        kind,
        structure,
        link,
        fields,
    }
}

/// Links of any kind.
pub(super) const REFERENCES: Ways = (Field::References, &["refcnt.counter", "refcnt"]);

const ATTACH_TYPE: Ways = (Field::AttachType, &["attach_type", "link.attach_type"]);
const IFINDEX: Ways = (Field::Ifindex, &["dev->ifindex"]);
const DEVICE_NETNS: Ways = (Field::NetnsInode, &["dev->nd_net.net->ns.inum"]);
const NETNS: Ways = (Field::NetnsInode, &["net->ns.inum"]);
const MAP: Ways = (Field::MapId, &["map->id"]);
const FLAGS: Ways = (Field::Flags, &["flags", "link.flags"]);

/// The kinds, with their structures from Linux 5.19 to 7.3.
#[rustfmt::skip]
pub(super) const KINDS: &[KindFields] = &[
    kind(LinkKind::RawTracepoint, "bpf_raw_tp_link", "link", &[
        (Field::Cookie, &["cookie"]),
    ]),
    kind(LinkKind::Tracing, "bpf_tracing_link", "link.link", &[
        (Field::AttachType, &["attach_type", "link.link.attach_type"]),
        (Field::Cookie, &["link.cookie", "link.node.cookie", "cookie"]),
        (Field::TrampolineKey, &["trampoline->key"]),
    ]),
    kind(LinkKind::Cgroup, "bpf_cgroup_link", "link", &[
        (Field::AttachType, &["type", "link.attach_type"]),
        (Field::CgroupId, &["cgroup->kn->id"]),
    ]),
    kind(LinkKind::Iter, "bpf_iter_link", "link", &[
        (Field::MapId, &["aux.map->id"]),
        (Field::TaskScope, &["aux.task.type"]),
        (Field::TaskId, &["aux.task.pid"]),
        (Field::CgroupId, &["aux.cgroup.start->kn->id"]),
        (Field::CgroupOrder, &["aux.cgroup.order"]),
    ]),
    kind(LinkKind::Netns, "bpf_netns_link", "link", &[
        (Field::AttachType, &["type", "link.attach_type"]),
        NETNS,
    ]),
    kind(LinkKind::Xdp, "bpf_xdp_link", "link", &[IFINDEX, DEVICE_NETNS]),
    kind(LinkKind::PerfEvent, "bpf_perf_link", "link", &[
        (Field::EventType, &["perf_file->private_data(perf_event)->attr.type"]),
        (Field::EventConfig, &["perf_file->private_data(perf_event)->attr.config"]),
        (Field::Cookie, &["perf_file->private_data(perf_event)->bpf_cookie"]),
    ]),
    kind(LinkKind::KprobeMulti, "bpf_kprobe_multi_link", "link", &[
        (Field::Count, &["cnt"]),
        FLAGS,
    ]),
    kind(LinkKind::StructOps, "bpf_struct_ops_link", "link", &[MAP]),
    kind(LinkKind::Netfilter, "bpf_nf_link", "link", &[
        (Field::Family, &["hook_ops.pf"]),
        (Field::Hook, &["hook_ops.hooknum"]),
        (Field::Priority, &["hook_ops.priority"]),
        (Field::IsDead, &["dead"]),
        NETNS,
    ]),
    kind(LinkKind::Tcx, "tcx_link", "link", &[
        (Field::AttachType, &["location", "link.attach_type"]),
        IFINDEX,
        DEVICE_NETNS,
    ]),
    kind(LinkKind::UprobeMulti, "bpf_uprobe_multi_link", "link", &[
        (Field::Count, &["cnt"]),
        FLAGS,
    ]),
    kind(LinkKind::Netkit, "netkit_link", "link", &[
        (Field::AttachType, &["location", "link.attach_type"]),
        IFINDEX,
        DEVICE_NETNS,
    ]),
    kind(LinkKind::Sockmap, "sockmap_link", "link", &[ATTACH_TYPE, MAP]),
    kind(LinkKind::TracingMulti, "bpf_tracing_multi_link", "link", &[
        ATTACH_TYPE,
        (Field::Count, &["nodes_cnt", "cnt"]),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_once() {
        let kinds = KINDS.iter().map(|kind| &kind.kind);
        assert!(kinds.eq(LinkKind::KNOWN));
    }

    #[test]
    fn no_two_fields_of_a_kind_share_a_place() {
        for kind in KINDS {
            let fields = kind.fields.iter().chain([&REFERENCES]);
            let places: Vec<_> = fields.map(|(field, _)| field.place()).collect();
            for (nth, place) in places.iter().enumerate() {
                assert!(
                    !places.iter().skip(nth + 1).any(|other| other == place),
                    "{kind:?}"
                );
            }
        }
    }
}
