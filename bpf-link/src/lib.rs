//! Linux `bpf_link` objects as owned file descriptors, with every command that the kernel has for
//! them.
//!
//! What it does:
//!
//! - creates links of all fifteen kinds of Linux 7.3, with every argument that the kernel takes;
//! - reads a link's info, updates and detaches it, runs it if it is an iterator, pins it, moves its
//!   pin and unpins it;
//! - replaces one pin by another in one step, with a lock for processes that do this at the same
//!   time;
//! - opens links by path, by id, or from a descriptor that was passed to the process, and checks
//!   that they are links;
//! - walks all links of the machine, correctly even while links come and go; or, with the feature
//!   `snapshot`, reads all of them at once in a fraction of the time, and finds the processes that
//!   have them open;
//! - lists the programs of a hook, including those that only netlink knows; looks up the names of
//!   programs, maps and BTF objects; opens pinned programs and maps, and perf events to attach to;
//! - asks the kernel which kinds of links it can create;
//! - returns errors with the kernel's number, the command, and what the command was about.
//!
//! What it does not do:
//!
//! - load programs or create maps: pass in anything that is [`AsFd`](std::os::fd::AsFd), from any
//!   other crate;
//! - parse the fields that each kind's info has: the layer above, `bpf-link-typed`, does that;
//! - emulate links for hooks that have none in this kernel.
//!
//! ```no_run
//! use bpf_link::{AttachType, LinkCreate, RawLink, Update};
//!
//! # fn example(old: std::fs::File, new: std::fs::File) -> bpf_link::Result<()> {
//! // Attach a program to a cgroup.
//! let cgroup = std::fs::File::open("/sys/fs/cgroup/workload").unwrap();
//! let request = LinkCreate::new(&old, AttachType::CgroupInetEgress).target_fd(&cgroup);
//! let mut link = RawLink::create(&request)?;
//!
//! // Keep it attached without us.
//! link.pin("/sys/fs/bpf/workload_egress")?;
//! drop(link);
//!
//! // Take it over, perhaps in the next version of the same agent, and put in the new program.
//! let link = RawLink::from_pinned("/sys/fs/bpf/workload_egress")?;
//! link.update(Update::program(&new).expecting(&old))?;
//! println!("{:?}", link.info()?);
//! # Ok(())
//! # }
//! ```
//!
//! # Kernels
//!
//! Linux 5.10 and later, on 64-bit machines. If a kernel lacks something, you get
//! [`Error::UnsupportedByKernel`], wherever that can be distinguished from a mistake by the caller.
//!
//! # What this kernel can do
//!
//! [`LinkKind::probe`] asks the kernel whether it can create links of a kind, without attaching
//! anything. The answer is yes, no or unknown. It is unknown if privilege, memory or descriptors
//! are missing, as the kernel may still support the kind.
//!
//! ```
//! use bpf_link::{LinkKind, Support};
//!
//! for kind in LinkKind::KNOWN {
//!     match kind.probe() {
//!         Support::Yes => println!("{kind}"),
//!         Support::No(refusal) => println!("no {kind}: {refusal}"),
//!         Support::Unknown(error) => println!("perhaps {kind}: {error}"),
//!         _ => {}
//!     }
//! }
//! ```
#![deny(unsafe_code)]
// Docs.rs marks what needs a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod args;
mod attach_type;
mod btf;
mod counted_event;
mod create;
mod detach;
mod error;
mod fits;
mod flags;
mod id;
mod info;
mod inode;
mod interface;
mod iter;
#[cfg(feature = "snapshot")]
mod iter_program;
mod iter_target;
mod kind;
mod link;
#[cfg(feature = "snapshot")]
mod link_files;
mod netfilter_name;
mod netns;
mod network_device;
mod object;
mod open_enum;
mod open_in_root;
mod perf_event;
mod perf_programs;
mod pin;
mod probe;
mod query;
mod rejected;
#[cfg(feature = "snapshot")]
mod snapshot;
mod struct_ops;
#[expect(unsafe_code, reason = "the one module that makes system calls")]
mod sys;
mod tc_filter;
mod thread;
mod unknown_name;
mod update;
mod walk;
mod whole_name;

pub use args::{
    Anchor, CgroupIterOrder, CreateArgs, InfoBuffers, IterArgs, IterCgroup, IterTask,
    KprobeMultiArgs, KprobeMultiFunctions, LinkCreate, MprogArgs, NetfilterArgs, PerfEventArgs,
    PerfEventConfig, RawTracepointOpen, TracingArgs, TracingMultiArgs, UprobeMultiArgs,
    UprobeMultiFile,
};
pub use attach_type::AttachType;
pub use btf::{Btf, BtfFunction};
pub use counted_event::{
    CacheEvent, CacheOperation, CacheResult, CountedEvent, HardwareCache, HardwareEvent,
    SoftwareEvent,
};
pub use error::{Command, CommandError, Error, Exposure, FirstOf, InvalidRequest, Result, Target};
pub use fits::program_fits;
pub use flags::{
    AttachFlags, KprobeMultiFlags, NetfilterFlags, UpdateFlags, UprobeMultiFlags, XdpFlags,
};
pub use id::{BtfId, BtfTypeId, LinkId, MapId, ProgramId};
pub use info::LinkInfo;
pub use inode::{cgroup_id, netns_inode};
pub use interface::{interface_index, interface_name};
#[cfg(feature = "snapshot")]
pub use iter_program::refusal::IterRefusal;
pub use iter_target::IterTarget;
pub use kind::{LinkKind, UpdateBy};
pub use link::RawLink;
#[cfg(feature = "snapshot")]
pub use link_files::{LinkFile, LinkFileScanner, LinkFiles};
pub use netfilter_name::{netfilter_family_name, netfilter_hook_name};
pub use netns::{NetnsThread, in_netns};
pub use network_device::{
    NetworkDevice, XdpPrograms, network_device, network_devices, xdp_programs,
};
pub use object::{
    BtfInfo, MapInfo, ProgramInfo, ProgramTag, ProgramType, open_map, open_pinned_map,
    open_pinned_program, open_program,
};
pub use open_in_root::open_in_root;
pub use perf_event::PerfEvent;
pub use perf_programs::{perf_event_program, tracepoint_programs};
pub use pin::{
    PinDirectory, PinEntry, PinLock, check_directories, check_owner, is_temporary_pin,
    temporary_pin,
};
pub use probe::Support;
pub use query::{Hook, HookProgram, HookPrograms};
pub use rejected::Rejected;
#[cfg(feature = "snapshot")]
pub use snapshot::{Snapshot, SnapshotEntry, SnapshotMethod, SnapshotRefusal, Snapshotter};
pub use struct_ops::StructOpsMap;
pub use tc_filter::{TcFilter, TcParent, tc_filters};
pub use thread::share_descriptors;
pub use unknown_name::UnknownName;
pub use update::Update;
pub use walk::{LinkIds, Links, link_ids, links};
