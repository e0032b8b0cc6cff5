//! A program that is attached, where, and by what.

use std::ffi::CString;
use std::fmt;
use std::path::PathBuf;

use bpf_link::{AttachFlags, LinkId, ProgramId, ProgramInfo, TcFilter, TcParent};

use crate::kinds::{
    CgroupHook, NetfilterFamily, NetfilterHook, NetkitHook, NetnsHook, SockmapHook, TcxHook,
    XdpMode,
};

/// A program that is attached to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedProgram {
    /// Where.
    pub point: AttachPoint,
    /// The program.
    pub program_id: ProgramId,
    /// The whole name of the program, or as much as the kernel keeps if the rest cannot be read.
    /// `None` if the program could not be asked about: a note says why, or it is gone.
    pub name: Option<CString>,
    /// What the kernel says about the program. `None` for the same reasons.
    pub info: Option<ProgramInfo>,
    /// By which link.
    pub by: AttachedBy,
}

/// What keeps a program attached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachedBy {
    /// This link.
    Link(LinkId),
    /// No link: the program was attached with `BPF_PROG_ATTACH` or over netlink.
    NoLink,
    /// It cannot be told: one of these links, or none. The list is empty if the links could not be
    /// looked at.
    Unknown(Vec<LinkId>),
}

/// Where a program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachPoint {
    /// What a device receives, before anything else.
    Xdp(XdpMode),
    /// The traffic control of a device.
    Tcx(TcxHook),
    /// A classic filter of the traffic control of a device. These run after those of
    /// [`Tcx`](Self::Tcx).
    TcFilter(TcFilter),
    /// An end of a netkit device.
    Netkit(NetkitHook),
    /// A cgroup.
    Cgroup {
        /// The hook.
        hook: CgroupHook,
        /// How the hook, or for [`CgroupHook::Lsm`] the program, is shared; `None` if it is not
        /// known where the program is attached.
        flags: Option<AttachFlags>,
        /// Where the program is attached.
        origin: CgroupOrigin,
    },
    /// A network namespace.
    Netns(NetnsHook),
    /// Netfilter, in a network namespace.
    Netfilter {
        /// The family of protocols.
        family: NetfilterFamily,
        /// The hook.
        hook: NetfilterHook,
        /// The place among the others on the hook, which run from the lowest to the highest.
        priority: i32,
    },
    /// A map of sockets.
    Sockmap(SockmapHook),
}

/// The cgroup that a program is attached to, if it runs for a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CgroupOrigin {
    /// That cgroup itself.
    Own,
    /// A cgroup above it.
    Ancestor {
        /// Its id; `None` if it is a cgroup that has no path in this mount namespace, or one of
        /// several that have the program.
        id: Option<u64>,
        /// Its path; `None` for the same reasons, and if procfs does not tell.
        path: Option<PathBuf>,
    },
    /// It cannot be told whether that is the cgroup itself or one above it.
    Unknown,
}

/// Writes the sort of hook: `xdp`, the attach type, or for classic filters `tc_ingress`,
/// `tc_egress` or `tc_class`.
impl fmt::Display for AttachPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xdp(_) => f.write_str("xdp"),
            Self::Tcx(hook) => write!(f, "{hook}"),
            Self::TcFilter(filter) => f.write_str(match filter.parent {
                TcParent::Ingress => "tc_ingress",
                TcParent::Egress => "tc_egress",
                _ => "tc_class",
            }),
            Self::Netkit(hook) => write!(f, "{hook}"),
            Self::Cgroup { hook, .. } => write!(f, "{hook}"),
            Self::Netns(hook) => write!(f, "{hook}"),
            Self::Netfilter { .. } => f.write_str("netfilter"),
            Self::Sockmap(hook) => write!(f, "{hook}"),
        }
    }
}
