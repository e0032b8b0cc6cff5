//! What a link is created from: plain data, checked where arrays have to agree.

pub(crate) mod info_buffers;
pub(crate) mod iter;
mod kprobe_multi;
pub(crate) mod mprog;
mod netfilter;
mod perf_event;
mod raw_tracepoint;
mod tracing;
mod tracing_multi;
mod uprobe_multi;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

pub use info_buffers::InfoBuffers;
pub use iter::{CgroupIterOrder, IterArgs, IterCgroup, IterTask};
pub use kprobe_multi::{KprobeMultiArgs, KprobeMultiFunctions};
pub use mprog::{Anchor, MprogArgs};
pub use netfilter::NetfilterArgs;
pub(crate) use perf_event::{Inherit, ProbeAt, Sample};
pub use perf_event::{PerfEventArgs, PerfEventConfig};
pub use raw_tracepoint::RawTracepointOpen;
pub use tracing::TracingArgs;
pub use tracing_multi::TracingMultiArgs;
pub use uprobe_multi::{UprobeMultiArgs, UprobeMultiFile};

use crate::attach_type::AttachType;
use crate::error::{Command, CommandError, Error, InvalidRequest, Target};
use crate::flags::{AttachFlags, KprobeMultiFlags, UprobeMultiFlags, XdpFlags};
use crate::kind::LinkKind;
use crate::object::{MapInfo, ProgramInfo};

/// What [`RawLink::create`](crate::RawLink::create) takes: a program (or a `struct_ops` map), where
/// it is attached, and the arguments of the link's kind.
#[derive(Clone, Copy, Debug)]
pub struct LinkCreate<'a> {
    pub(crate) object: BorrowedFd<'a>,
    pub(crate) attach_type: AttachType,
    pub(crate) target: CreateTarget<'a>,
    pub(crate) flags: u32,
    pub(crate) args: CreateArgs<'a>,
}

/// What a program is attached to, besides its attach type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CreateTarget<'a> {
    None,
    Fd(BorrowedFd<'a>),
    Ifindex(u32),
    /// A descriptor that does not exist: what asks the kernel about the rest of a request without
    /// attaching anything.
    NoDescriptor,
}

impl CreateTarget<'_> {
    /// What errors call it.
    pub(crate) fn named(self, attach_type: AttachType) -> Option<Target> {
        match self {
            Self::Ifindex(index) => Some(Target::ifindex(index)),
            Self::Fd(map) if attach_type.link_kind() == Some(LinkKind::Sockmap) => {
                Some(of_map(map))
            }
            Self::Fd(_) => Some(Target::Descriptor),
            Self::None | Self::NoDescriptor => None,
        }
    }
}

/// How errors name a map: by its id, if the kernel reports it.
fn of_map(map: BorrowedFd<'_>) -> Target {
    MapInfo::of(&map).map_or(Target::Descriptor, |info| Target::Map(info.id))
}

/// The arguments of one kind: an arm of the kernel's `link_create` union.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CreateArgs<'a> {
    /// None: enough for xdp, netns, sockmap, `struct_ops`, and wherever the kind's are optional.
    None,
    /// The target and cookie of a tracing program, an LSM program, an extension, or a BTF-typed raw
    /// tracepoint.
    Tracing(TracingArgs),
    /// What an iterator goes over.
    Iter(IterArgs<'a>),
    /// The cookie of a perf event.
    PerfEvent(PerfEventArgs),
    /// The functions of a `kprobe_multi` link.
    KprobeMulti(KprobeMultiArgs<'a>),
    /// The hook of a netfilter link.
    Netfilter(NetfilterArgs),
    /// The position of a tcx, netkit or (since Linux 6.17) cgroup link among the programs of its
    /// hook.
    Mprog(MprogArgs<'a>),
    /// The file and offsets of a `uprobe_multi` link.
    UprobeMulti(UprobeMultiArgs<'a>),
    /// The functions of a `tracing_multi` link.
    TracingMulti(TracingMultiArgs<'a>),
}

impl<'a> LinkCreate<'a> {
    /// A link of this program on this attach type.
    pub fn new(program: &'a (impl AsFd + ?Sized), attach_type: AttachType) -> Self {
        Self {
            object: program.as_fd(),
            // A known attach type may be written as `Unknown(number)`; it means the same.
            attach_type: AttachType::from_raw(attach_type.as_raw()),
            target: CreateTarget::None,
            flags: 0,
            args: CreateArgs::None,
        }
    }

    /// A link of this `struct_ops` map, which was created with `BPF_F_LINK` and has its value.
    pub fn struct_ops(map: &'a (impl AsFd + ?Sized)) -> Self {
        Self::new(map, AttachType::StructOps)
    }

    /// Attaches to what this file descriptor stands for: a cgroup's directory, a network namespace,
    /// a perf event, a sockmap, or (with [`TracingArgs::target_btf_id`]) the program that an
    /// extension replaces a function of.
    #[must_use]
    pub fn target_fd(mut self, target: &'a (impl AsFd + ?Sized)) -> Self {
        self.target = CreateTarget::Fd(target.as_fd());
        self
    }

    /// Attaches to the network device with this index in the network namespace of the calling
    /// thread.
    #[must_use]
    pub fn target_ifindex(mut self, ifindex: u32) -> Self {
        self.target = CreateTarget::Ifindex(ifindex);
        self
    }

    /// Flags of the creation. The bits that say what an [`Anchor`] is, `BPF_F_LINK` and `BPF_F_ID`,
    /// are added by the anchor, and refused here.
    #[must_use]
    pub fn flags(mut self, flags: AttachFlags) -> Self {
        self.flags = flags.bits();
        self
    }

    /// Flags of an xdp link's creation.
    #[must_use]
    pub fn xdp_flags(mut self, flags: XdpFlags) -> Self {
        self.flags = flags.bits();
        self
    }

    /// The arguments of the link's kind.
    #[must_use]
    pub fn args(mut self, args: impl Into<CreateArgs<'a>>) -> Self {
        self.args = args.into();
        self
    }

    /// Refuses what the kernel would read as another kind's arguments or ignore, or take for
    /// something else than it says.
    ///
    /// The kernel picks the arm of its union by the attach type. Arms with pointers in them must
    /// therefore come with their own attach types and with no other, or the kernel would take an
    /// address for a count. Where the kind is not known, the kernel is left to judge those without.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let kind = self.attach_type.link_kind();
        let fits = match &self.args {
            CreateArgs::None => true,
            // An extension takes any attach type.
            CreateArgs::Tracing(_) => !kind.is_some_and(has_pointers),
            CreateArgs::Iter(_) => kind == Some(LinkKind::Iter),
            CreateArgs::KprobeMulti(_) => kind == Some(LinkKind::KprobeMulti),
            CreateArgs::UprobeMulti(_) => kind == Some(LinkKind::UprobeMulti),
            CreateArgs::TracingMulti(_) => kind == Some(LinkKind::TracingMulti),
            CreateArgs::PerfEvent(_) => matches!(kind, None | Some(LinkKind::PerfEvent)),
            CreateArgs::Netfilter(_) => matches!(kind, None | Some(LinkKind::Netfilter)),
            CreateArgs::Mprog(_) => may_take_anchor(kind),
        };
        if !fits {
            return Err(InvalidRequest::Arguments {
                hook: Box::new(Target::Hook {
                    attach_type: self.attach_type,
                    of: self.target.named(self.attach_type).map(Box::new),
                }),
                arguments: self.args.name(),
            }
            .into());
        }
        // These bits say how the kernel reads an anchor's number: they would turn any other anchor
        // into a link.
        if self.flags & Anchor::FLAGS != 0 && may_take_anchor(kind) {
            return Err(InvalidRequest::AnchorFlags(Box::new(self.hook())).into());
        }
        let session_return = match (self.attach_type, &self.args) {
            (AttachType::TraceKprobeSession, CreateArgs::KprobeMulti(args)) => {
                args.flags.contains(KprobeMultiFlags::RETURN)
            }
            (AttachType::TraceUprobeSession, CreateArgs::UprobeMulti(args)) => {
                args.flags.contains(UprobeMultiFlags::RETURN)
            }
            _ => false,
        };
        if session_return {
            return Err(InvalidRequest::SessionReturn(Box::new(self.hook())).into());
        }
        if let CreateArgs::KprobeMulti(args) = &self.args {
            args.parts().0.check()?;
        }
        Ok(())
    }

    /// The error of a creation that failed like this.
    pub(crate) fn error(&self, source: io::Error) -> CommandError {
        CommandError::new(Command::LinkCreate, self.hook(), source)
    }

    /// The hook that the link is for, as errors name it.
    pub(crate) fn hook(&self) -> Target {
        if let Some(extended) = self.extended() {
            return extended;
        }
        Target::Hook {
            attach_type: self.attach_type,
            of: self.named().map(Box::new),
        }
    }

    /// The kind of the link, as far as the attach type tells. That of an extension means nothing.
    pub(crate) fn kind(&self) -> Option<LinkKind> {
        match self.extended() {
            Some(_) => Some(LinkKind::Tracing),
            None => self.attach_type.link_kind(),
        }
    }

    /// The function in whose place an extension is to be put, if that is what was asked for.
    fn extended(&self) -> Option<Target> {
        let CreateArgs::Tracing(args) = self.args else {
            return None;
        };
        // The number that extensions have for want of one of their own.
        if self.attach_type != AttachType::CgroupInetIngress {
            return None;
        }
        let program = match self.target {
            CreateTarget::Fd(program) => ProgramInfo::of(&program).ok().map(|info| info.id),
            _ => None,
        };
        Some(Target::ExtensionOf {
            program,
            function: args.target_btf_id,
            name: None,
        })
    }

    /// What the caller has named in the request.
    fn named(&self) -> Option<Target> {
        match (&self.args, self.target) {
            (CreateArgs::KprobeMulti(args), _) => Some(args.target()),
            (CreateArgs::UprobeMulti(args), _) => Some(args.target()),
            (CreateArgs::TracingMulti(args), _) => Some(args.target()),
            (CreateArgs::Netfilter(args), _) => Some(args.target()),
            (CreateArgs::Iter(args), _) => args.target().or_else(|| args.map_fd().map(of_map)),
            (_, CreateTarget::None) if self.attach_type == AttachType::StructOps => {
                Some(of_map(self.object))
            }
            (_, target) => target.named(self.attach_type),
        }
    }
}

/// Whether the kernel reads pointers from the arm of its `link_create` union that goes with this
/// kind.
fn has_pointers(kind: LinkKind) -> bool {
    matches!(
        kind,
        LinkKind::Iter | LinkKind::KprobeMulti | LinkKind::UprobeMulti | LinkKind::TracingMulti
    )
}

/// Whether a link of this kind has a place among other programs. One of a kind that is not known
/// may have.
fn may_take_anchor(kind: Option<LinkKind>) -> bool {
    matches!(
        kind,
        None | Some(LinkKind::Tcx | LinkKind::Netkit | LinkKind::Cgroup)
    )
}

impl CreateArgs<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tracing(_) => "tracing",
            Self::Iter(_) => "iter",
            Self::PerfEvent(_) => "perf_event",
            Self::KprobeMulti(_) => "kprobe_multi",
            Self::Netfilter(_) => "netfilter",
            Self::Mprog(_) => "tcx, netkit or cgroup",
            Self::UprobeMulti(_) => "uprobe_multi",
            Self::TracingMulti(_) => "tracing_multi",
        }
    }
}

macro_rules! into_args {
    ($($variant:ident($args:ty)),+ $(,)?) => {$(
        impl<'a> From<$args> for CreateArgs<'a> {
            fn from(args: $args) -> Self {
                Self::$variant(args)
            }
        }
    )+};
}

into_args! {
    Tracing(TracingArgs),
    Iter(IterArgs<'a>),
    PerfEvent(PerfEventArgs),
    KprobeMulti(KprobeMultiArgs<'a>),
    Netfilter(NetfilterArgs),
    Mprog(MprogArgs<'a>),
    UprobeMulti(UprobeMultiArgs<'a>),
    TracingMulti(TracingMultiArgs<'a>),
}
