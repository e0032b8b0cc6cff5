//! Links on a perf event: a tracepoint, kprobe, uprobe or counter.

mod attach;
mod counted;
mod counter;
mod ensure;
mod events;
mod holders;
mod kprobe;
#[cfg(test)]
mod tests;
mod uprobe;

use std::ffi::{CStr, CString};

use bpf_link::{CountedEvent, InfoBuffers};
use bpf_link_sys as c;
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror, reported};
use crate::info::buf::{Ask, name_room};
use crate::info::facts::facts;
use crate::info::hideable::Hideable;
use crate::info::types::{Lend, Own, always_attached, info};
use crate::link::link_type::link_type;

pub use attach::PerfEventAttach;
pub(crate) use counted::processors;
pub use counter::CounterEvent;
pub use events::{PerfTarget, TracepointEvent};
pub use kprobe::KprobeEvent;
pub use uprobe::UprobeEvent;

link_type! {
    /// A link on a perf event: a tracepoint, kprobe, uprobe or counter.
    ///
    /// Since Linux 5.15. It is neither updated nor detached, and attached for as long as it exists.
    /// It keeps the event.
    #[doc(alias = "BPF_LINK_TYPE_PERF_EVENT")]
    pub struct PerfEventLink: PerfEvent, PerfEventInfo / PerfEventInfoRef;
    facts: facts! {
        PerfEvent: "a perf event", since "5.15";
        event "6.6",
    };
    ask: Ask::Name(|memory| InfoBuffers::PerfEvent { name: name_room(&mut memory.name) });
}

info! {
    /// What the kernel says about a [`PerfEventLink`].
    ///
    /// Which tasks and processors the event is for is not part of it.
    pub struct PerfEventInfo / PerfEventInfoRef {
        /// The event. Since Linux 6.6.
        event: PerfEventDetails => PerfEventDetailsRef<'a>,
    }
}

always_attached!(PerfEventInfo, PerfEventInfoRef<'_>);

/// Defines an enum of the types of events, and its view, and what each type has.
macro_rules! details {
    (
        $(
            $(#[$struct_meta:meta])*
            struct $Probe:ident / $ProbeRef:ident {
                $( $(#[$field_meta:meta])* $field:ident: $type:ty $(=> $ref_type:ty)?, )+
            }
        )+
    ) => {
        $(
            $(#[$struct_meta])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
            #[non_exhaustive]
            pub struct $Probe {
                $( $(#[$field_meta])* pub $field: $type, )+
            }

            #[doc = concat!("A view of a [`", stringify!($Probe), "`], whose name is in a lent buffer.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[cfg_attr(feature = "serde", derive(serde::Serialize))]
            #[non_exhaustive]
            pub struct $ProbeRef<'a> {
                $( $(#[$field_meta])* pub $field: $crate::info::types::in_view!($type $(=> $ref_type)?), )+
            }

            impl Own for $ProbeRef<'_> {
                type Owned = $Probe;

                fn own(self) -> $Probe {
                    $Probe {
                        $( $field: $crate::info::types::owned!(self.$field $(=> $ref_type)?), )+
                    }
                }
            }

            impl Lend for $Probe {
                type Lent<'b> = $ProbeRef<'b>;

                fn lend(&self) -> $ProbeRef<'_> {
                    $ProbeRef {
                        $( $field: $crate::info::types::lent!(self.$field $(=> $ref_type)?), )+
                    }
                }
            }
        )+
    };
}

details! {
    /// A kprobe or kretprobe.
    struct PerfKprobe / PerfKprobeRef {
        /// The function. `None` if the probe was placed by address.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        function: Option<CString> => Option<&'a CStr>,
        /// Where the probe is, in bytes from the start of the function.
        offset: u32,
        /// Where the probe is.
        address: Hideable<u64>,
        /// How often the program should have run and did not, as a probe ran already. Since Linux
        /// 6.7.
        missed: Option<u64>,
        /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.9; the cookie itself
        /// is older (5.15).
        cookie: Option<u64>,
    }

    /// A uprobe or uretprobe.
    struct PerfUprobe / PerfUprobeRef {
        /// The file, as the process that opened the event wrote it: a relative path, or one such as
        /// `/proc/self/exe`, says nothing to others.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        file: Option<CString> => Option<&'a CStr>,
        /// Where the probe is, in bytes from the start of the file. The kernel gives the lower 32
        /// bits only.
        offset: u32,
        /// The reference counter, in bytes from the start of the file; 0 for none. Since Linux
        /// 6.16.
        ref_ctr_offset: Option<u64>,
        /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.9; the cookie itself
        /// is older (5.15).
        cookie: Option<u64>,
    }

    /// A tracepoint.
    struct PerfTracepoint / PerfTracepointRef {
        /// The tracepoint, without its category.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        name: Option<CString> => Option<&'a CStr>,
        /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.9; the cookie itself
        /// is older (5.15).
        cookie: Option<u64>,
    }
}

/// A counter or a clock. Its period or frequency, thread and processor are not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PerfCounter {
    /// `perf_event_attr.type`: `PERF_TYPE_HARDWARE` 0, `PERF_TYPE_SOFTWARE` 1, and so on.
    pub event_type: u32,
    /// `perf_event_attr.config`, whose meaning depends on the type.
    pub config: u64,
    /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.9; the cookie itself is
    /// older (5.15).
    pub cookie: Option<u64>,
}

/// The event that a [`PerfEventLink`] is on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "type", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum PerfEventDetails {
    /// This kernel does not say: it is older than Linux 6.6.
    NotReported,
    /// At a place in a function of a user-space file.
    Uprobe(PerfUprobe),
    /// At the return of a function of a user-space file.
    Uretprobe(PerfUprobe),
    /// At a place in a kernel function.
    Kprobe(PerfKprobe),
    /// At the return of a kernel function.
    Kretprobe(PerfKprobe),
    /// On a tracepoint.
    Tracepoint(PerfTracepoint),
    /// On a counter or a clock.
    Event(PerfCounter),
    /// On something that this release has no name for.
    Unknown {
        /// The kernel's `bpf_perf_event_type`.
        number: u32,
        /// What it says about it, as long as the kernel has it.
        bytes: Vec<u8>,
    },
}

/// A view of [`PerfEventDetails`], whose name is in a lent buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum PerfEventDetailsRef<'a> {
    /// This kernel does not say: it is older than Linux 6.6.
    NotReported,
    /// At a place in a function of a user-space file.
    Uprobe(PerfUprobeRef<'a>),
    /// At the return of a function of a user-space file.
    Uretprobe(PerfUprobeRef<'a>),
    /// At a place in a kernel function.
    Kprobe(PerfKprobeRef<'a>),
    /// At the return of a kernel function.
    Kretprobe(PerfKprobeRef<'a>),
    /// On a tracepoint.
    Tracepoint(PerfTracepointRef<'a>),
    /// On a counter or a clock.
    Event(PerfCounter),
    /// On something that this release has no name for.
    Unknown {
        /// The kernel's `bpf_perf_event_type`.
        number: u32,
        /// What it says about it, as long as the kernel has it.
        bytes: &'a [u8],
    },
}

impl Own for PerfEventDetailsRef<'_> {
    type Owned = PerfEventDetails;

    fn own(self) -> PerfEventDetails {
        match self {
            Self::NotReported => PerfEventDetails::NotReported,
            Self::Uprobe(probe) => PerfEventDetails::Uprobe(probe.own()),
            Self::Uretprobe(probe) => PerfEventDetails::Uretprobe(probe.own()),
            Self::Kprobe(probe) => PerfEventDetails::Kprobe(probe.own()),
            Self::Kretprobe(probe) => PerfEventDetails::Kretprobe(probe.own()),
            Self::Tracepoint(tracepoint) => PerfEventDetails::Tracepoint(tracepoint.own()),
            Self::Event(event) => PerfEventDetails::Event(event),
            Self::Unknown { number, bytes } => PerfEventDetails::Unknown {
                number,
                bytes: bytes.own(),
            },
        }
    }
}

impl Lend for PerfEventDetails {
    type Lent<'a> = PerfEventDetailsRef<'a>;

    fn lend(&self) -> PerfEventDetailsRef<'_> {
        match self {
            Self::NotReported => PerfEventDetailsRef::NotReported,
            Self::Uprobe(probe) => PerfEventDetailsRef::Uprobe(probe.lend()),
            Self::Uretprobe(probe) => PerfEventDetailsRef::Uretprobe(probe.lend()),
            Self::Kprobe(probe) => PerfEventDetailsRef::Kprobe(probe.lend()),
            Self::Kretprobe(probe) => PerfEventDetailsRef::Kretprobe(probe.lend()),
            Self::Tracepoint(tracepoint) => PerfEventDetailsRef::Tracepoint(tracepoint.lend()),
            Self::Event(event) => PerfEventDetailsRef::Event(*event),
            Self::Unknown { number, bytes } => PerfEventDetailsRef::Unknown {
                number: *number,
                bytes: bytes.lend(),
            },
        }
    }
}

mirror! {
    struct Type: bpf_perf_event_type {
        number: U32 = perf_event.type_,
    }
}

mirror! {
    struct Uprobe: bpf_link_info__perf_event__uprobe after 8 {
        number: U32 = perf_event.type_,
        hole: U32,
        file_name: U64 = perf_event.uprobe_union.uprobe.file_name,
        name_len: U32 = perf_event.uprobe_union.uprobe.name_len,
        offset: U32 = perf_event.uprobe_union.uprobe.offset,
        cookie: U64 = perf_event.uprobe_union.uprobe.cookie,
        ref_ctr_offset: U64 = perf_event.uprobe_union.uprobe.ref_ctr_offset,
    }
}

mirror! {
    struct Kprobe: bpf_link_info__perf_event__kprobe after 8 {
        number: U32 = perf_event.type_,
        hole: U32,
        func_name: U64 = perf_event.uprobe_union.kprobe.func_name,
        name_len: U32 = perf_event.uprobe_union.kprobe.name_len,
        offset: U32 = perf_event.uprobe_union.kprobe.offset,
        addr: U64 = perf_event.uprobe_union.kprobe.addr,
        missed: U64 = perf_event.uprobe_union.kprobe.missed,
        cookie: U64 = perf_event.uprobe_union.kprobe.cookie,
    }
}

mirror! {
    struct Tracepoint: bpf_link_info__perf_event__tracepoint after 8 {
        number: U32 = perf_event.type_,
        hole: U32,
        tp_name: U64 = perf_event.uprobe_union.tracepoint.tp_name,
        name_len: U32 = perf_event.uprobe_union.tracepoint.name_len,
        padding: U32,
        cookie: U64 = perf_event.uprobe_union.tracepoint.cookie,
    }
}

mirror! {
    struct Counter: bpf_link_info__perf_event__event after 8 {
        number: U32 = perf_event.type_,
        hole: U32,
        config: U64 = perf_event.uprobe_union.event.config,
        event_type: U32 = perf_event.uprobe_union.event.type_,
        padding: U32,
        cookie: U64 = perf_event.uprobe_union.event.cookie,
    }
}

impl<'a> PerfEventInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            event: PerfEventDetailsRef::parse(answer),
        }
    }
}

impl<'a> PerfEventDetailsRef<'a> {
    #[inline]
    fn parse(answer: &Answer<'a>) -> Self {
        let kind: &Type = answer.arm();
        match kind.number.get() {
            c::BPF_PERF_EVENT_UNSPEC => Self::NotReported,
            c::BPF_PERF_EVENT_UPROBE => Self::Uprobe(PerfUprobeRef::parse(answer)),
            c::BPF_PERF_EVENT_URETPROBE => Self::Uretprobe(PerfUprobeRef::parse(answer)),
            c::BPF_PERF_EVENT_KPROBE => Self::Kprobe(PerfKprobeRef::parse(answer)),
            c::BPF_PERF_EVENT_KRETPROBE => Self::Kretprobe(PerfKprobeRef::parse(answer)),
            c::BPF_PERF_EVENT_TRACEPOINT => Self::Tracepoint(PerfTracepointRef::parse(answer)),
            c::BPF_PERF_EVENT_EVENT => Self::Event(PerfCounter::parse(answer)),
            number => Self::Unknown {
                number,
                bytes: answer.arm_bytes(),
            },
        }
    }
}

impl<'a> PerfUprobeRef<'a> {
    #[inline]
    fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Uprobe = answer.arm();
        Self {
            file: answer.name(),
            offset: fields.offset.get(),
            ref_ctr_offset: reported!(answer, fields: Uprobe, ref_ctr_offset),
            cookie: reported!(answer, fields: Uprobe, cookie),
        }
    }
}

impl<'a> PerfKprobeRef<'a> {
    #[inline]
    fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Kprobe = answer.arm();
        Self {
            function: answer.name(),
            offset: fields.offset.get(),
            address: Hideable::address(fields.addr.get()),
            missed: reported!(answer, fields: Kprobe, missed),
            cookie: reported!(answer, fields: Kprobe, cookie),
        }
    }
}

impl<'a> PerfTracepointRef<'a> {
    #[inline]
    fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Tracepoint = answer.arm();
        Self {
            name: answer.name(),
            cookie: reported!(answer, fields: Tracepoint, cookie),
        }
    }
}

impl PerfCounter {
    /// What is counted. For `cpu-clock` and `task-clock` that is [`CountedEvent::Other`]: the
    /// kernel reports types that it has numbered itself (6 and 7 as of Linux 7.3) with the
    /// configurations 0 and 1.
    #[must_use]
    pub fn event(&self) -> CountedEvent {
        CountedEvent::from_raw(self.event_type, self.config)
    }

    #[inline]
    fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Counter = answer.arm();
        Self {
            event_type: fields.event_type.get(),
            config: fields.config.get(),
            cookie: reported!(answer, fields: Counter, cookie),
        }
    }
}
