//! Every kind of Linux `bpf_link` as a type of its own, with all that the kernel says about it.
//!
//! ```toml
//! [dependencies]
//! bpf-link-typed = "0.1"
//! ```
//!
//! What it does:
//!
//! - tells the fifteen kinds of Linux 7.3 apart, each with the operations that it has, and keeps
//!   later ones;
//! - attaches programs to each of them, with all that the kernel takes: [`XdpAttach`],
//!   [`CgroupAttach`] and so on, a type for each kind;
//! - counts events by the names that the `perf` tool has for them, each so many times or so many
//!   times in a second, on each processor as well: [`CounterEvent`],
//!   [`LinkSet::add_each_processor`];
//! - finds functions of the kernel by name, pattern and system call: [`KernelFunctions`];
//! - keeps an inventory of all links of a machine up to date, with the feature `inspect`;
//! - takes links over after a restart or an upgrade, without a gap where the kernel allows it:
//!   [`Ensure`];
//! - reads every field that the kernel reports about a link, and tells a field that it does not
//!   report from 0;
//! - leaves names and arrays in memory that the caller lends, or copies them out.
//!
//! What it does not do:
//!
//! - load programs or create maps: those come in as anything that is [`AsFd`](std::os::fd::AsFd),
//!   from any other crate;
//! - call `bpf(2)` itself: commands go through the layer below, [`bpf_link`]. What this crate does
//!   through the standard library is read files of procfs, sysfs and tracefs, open the files and
//!   directories that builders name by path, and make directories for pins
//!   ([`Ensure::create_parents`]).
//!
//! ```no_run
//! use bpf_link_typed::{InfoBuf, Link, LinkInfoRef, XdpLink};
//!
//! # fn example(old: std::fs::File, new: std::fs::File) -> bpf_link_typed::Result<()> {
//! // Take a link over that an earlier run has pinned. A pin of something else is an error.
//! let link = XdpLink::from_pinned("/sys/fs/bpf/ingress")?;
//! if link.info()?.is_defunct() == Some(true) {
//!     println!("the device has gone");
//! } else {
//!     link.replace(&old, &new)?;
//! }
//!
//! // A link of any kind.
//! match Link::from_pinned("/sys/fs/bpf/something")? {
//!     Link::Cgroup(link) => link.detach()?,
//!     link => println!("a {} link stays: {:?}", link.kind(), link.info()?),
//! }
//!
//! // All links of the machine, with one buffer for all of them.
//! let mut buf = InfoBuf::new();
//! for link in bpf_link::links() {
//!     if let LinkInfoRef::KprobeMulti(info) = buf.read(&link?)? {
//!         println!("{:?} functions, missed {:?} times", info.count, info.missed);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What an attach was refused for, and how to find out: [`guide::failed_attach`].
//!
//! If you know another library, its functions are listed with what you write here:
//! [`guide::from_aya`], [`guide::from_libbpf_rs`], [`guide::from_libbpf`],
//! [`guide::from_cilium_ebpf`]. [`guide::sections`] has the builder for each section name.
//!
//! # Restarts and upgrades
//!
//! An agent makes one call for each of its links when it starts, and need not know what was there
//! before: nothing, its own link of an hour ago, that of the version before, one whose hook has
//! gone, or what a run left that was killed half-way.
//!
//! ```no_run
//! use bpf_link_typed::{Attach as _, CgroupAttach, CgroupHook};
//!
//! # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
//! let ensured = CgroupAttach::to("/sys/fs/cgroup/workload", CgroupHook::InetEgress)
//!     .ensure_pinned("/sys/fs/bpf/agent/egress")
//!     .create_parents(0o700)
//!     .run(&program)?;
//! println!("link {}: {}", ensured.link.id()?, ensured.outcome);
//! # Ok(())
//! # }
//! ```
//!
//! The link is left to its pin when it is dropped. [`Ensured::stop`] takes the program off and
//! leaves nothing behind, unless another agent has taken over. What is certain, and for which kinds
//! there is a gap, [`Ensure`] says.
//!
//! # Kinds
//!
//! All have an id, a program (`struct_ops` links a map instead), pins and info. Updating puts
//! another program, or map, in the place of the link's; not every kind can be detached while
//! somebody holds it. Behind each field of the info is since which Linux the kernel reports it. The
//! same is there as data: [`KindFacts`].
//!
#![doc = include_str!("../docs/kinds.md")]
//!
//! # What this kernel can do
//!
//! The table says since when Linux has a kind. A kernel may be built without it, or have it from a
//! later one; so ask it:
//!
//! ```
//! use bpf_link_typed::{LinkKind, Support, TcxLink, XdpLink};
//!
//! let attach_to_xdp = match TcxLink::probe() {
//!     Support::Yes => false,
//!     Support::No(_) => XdpLink::probe().is_yes(),
//!     // Lack of privilege is not lack of support.
//!     unknown => {
//!         eprintln!("could not tell: {unknown:?}");
//!         false
//!     }
//! };
//! for kind in LinkKind::KNOWN {
//!     println!("{kind}: {:?}", kind.probe());
//! }
//! ```
//!
//! Nothing is attached for that. Which programs a hook has is asked of the hook:
//! [`TcxHook::query`], [`CgroupHook::query`], [`NetkitHook::query`], [`NetnsHook::query`],
//! [`SockmapHook::query`].
//!
//! # How arguments are written
//!
#![doc = include_str!("../docs/spellings.md")]
//!
//! # Features
//!
//! - `elf`: functions and USDT probes of programs and libraries by their names: `Binary`. It is off
//!   by default, and nothing of it is built without.
//! - `elf-xz`: with `elf`, the symbols of local functions that Fedora and RHEL compress into
//!   stripped binaries (`.gnu_debugdata`). It is off by default.
//! - `inspect`: the module `inspect`, with an inventory of all links of a machine. It is off by
//!   default.
//! - `serde`: what the kernel says about links can be serialized and read back, under the names
//!   that the fields have here. It is off by default.
#![forbid(unsafe_code)]
#![cfg_attr(
    feature = "serde",
    expect(
        clippy::ref_option_ref,
        reason = "what serde derives for a name has a reference to the field"
    )
)]

pub mod attach;
#[cfg(feature = "elf")]
mod binary;
pub mod ensure;
mod error;
#[cfg(any(doc, doctest))]
pub mod guide;
mod info;
#[cfg(feature = "inspect")]
pub mod inspect;
mod kinds;
mod link;
mod other;
pub mod set;

pub use attach::fd_ref::FdRef;
pub use attach::file_ref::FileRef;
pub use attach::interface::Interface;
pub use attach::kernel_functions::{KernelFunction, KernelFunctions};
pub use attach::name_ref::NameRef;
pub use attach::netns::Netns;
pub use attach::offsets::OffsetsRef;
pub use attach::path_ref::PathRef;
pub use attach::position::{LinkAnchor, Position};
#[cfg(feature = "elf")]
pub use binary::{Binary, BinaryPlace, BinarySymbol, SymbolBinding, SymbolOffset, UsdtPlace};
pub use bpf_link::{
    Anchor, AttachFlags, AttachType, Btf, BtfFunction, BtfId, BtfInfo, BtfTypeId, CacheEvent,
    CacheOperation, CacheResult, CgroupIterOrder, CommandError, CountedEvent, Error as LinkError,
    HardwareCache, HardwareEvent, HookProgram, HookPrograms, IterArgs, IterCgroup, IterTarget,
    IterTask, KprobeMultiFlags, LinkId, LinkIds, LinkKind, Links, MapId, MapInfo, NetfilterFlags,
    ProgramId, ProgramInfo, ProgramType, RawLink, SoftwareEvent, Support, Target, UnknownName,
    UpdateBy, UprobeMultiFlags, link_ids, links,
};
#[doc(inline)]
pub use ensure::{Attach, AttachProgram, Ensure, Ensured};
#[cfg(feature = "elf")]
pub use error::BinaryProblem;
pub use error::{
    BtfOf, Error, FilePlaces, HolderLink, HookHolder, KernelFunctionProblem, LinkState, Rejected,
    Result, SetFailure, SharedName, SimilarSymbols, UntraceableAddress, UntraceableSymbols,
};
pub use info::answer::RecordedBuffers;
pub use info::buf::InfoBuf;
pub use info::facts::{KindFacts, LinuxVersion};
pub use info::hideable::Hideable;
pub use info::{LinkInfo, LinkInfoRef};
pub use kinds::*;
pub use link::Link;
pub use other::{OtherInfo, OtherInfoRef, OtherLink};
#[doc(inline)]
pub use set::LinkSet;
