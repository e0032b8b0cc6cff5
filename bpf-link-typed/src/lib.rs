//! Every kind of Linux `bpf_link` as a type of its own, with all that the kernel says about it.
//!
//! ```toml
//! [dependencies]
//! bpf-link-typed = "0.1"
//! ```
//!
//! What it does:
//!
//! - has a type for each of the fifteen kinds of Linux 7.3, with the operations that the kind has;
//!   a link of a later kind is an [`OtherLink`];
//! - attaches programs, with every option that the kernel has: [`XdpAttach`], [`CgroupAttach`] and
//!   so on, a builder for each kind;
//! - runs programs on perf events, which you name as in the `perf` tool: once every so many events
//!   or so many times per second, on each processor if you like: [`CounterEvent`],
//!   [`LinkSet::add_each_processor`];
//! - finds functions of the kernel by name, pattern and system call: [`KernelFunctions`];
//! - with the feature `inspect`, keeps an inventory of all links of a machine up to date; finds who
//!   holds them, where they are pinned, and the names of what they are attached to; and lists what
//!   is attached to a device, a cgroup, a network namespace or a map;
//! - takes links over after a restart or an upgrade, without a gap where the kernel allows it:
//!   [`Ensure`];
//! - reads every field that the kernel reports about a link; a field that it does not report is
//!   `None`, never 0;
//! - reads names and arrays into a buffer that you reuse, or into values of their own.
//!
//! What it does not do:
//!
//! - load programs or create maps: pass in what another crate loaded, as anything that is
//!   [`AsFd`](std::os::fd::AsFd);
//! - call `bpf(2)` itself: the layer below, [`bpf_link`], does. This crate only reads files of
//!   procfs, sysfs and tracefs, opens the files and directories that you name by path, and makes
//!   directories for pins ([`Ensure::create_parents`]), all through the standard library.
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
//! for link in bpf_link_typed::links() {
//!     if let LinkInfoRef::KprobeMulti(info) = buf.read(&link?)? {
//!         println!("{:?} functions, missed {:?} times", info.count, info.missed);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`guide::examples`] lists the examples, one for each task. If an attach is refused,
//! [`guide::failed_attach`] shows how to find out why.
//!
//! If you know another library, look up what replaces each of its functions:
//! [`guide::from_aya`], [`guide::from_libbpf_rs`], [`guide::from_libbpf`],
//! [`guide::from_cilium_ebpf`]. [`guide::sections`] has the builder for each section name.
//!
//! # Restarts and upgrades
//!
//! When an agent starts, it makes one call for each of its links. It need not know what an earlier
//! run left: nothing, a link of this version or the previous one, a link whose hook has gone, or
//! half of an upgrade.
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
//! When the link is dropped, its pin keeps it. [`Ensured::stop`] detaches the program and removes
//! the pin, unless another agent has taken over. [`Ensure`] lists the guarantees, and the kinds for
//! which there is a gap. For all links of an agent at once, use a [`LinkSet`].
//!
//! # Kinds
//!
//! All kinds have an id, a program (`struct_ops` links a map instead), pins and info. An update
//! replaces the program, or the map. Not every kind can be detached while somebody holds the link.
//! The last column lists the fields of the info, each after the first Linux that reports it. The
//! same is available as data: [`KindFacts`].
//!
#![doc = include_str!("../docs/kinds.md")]
//!
//! # What this kernel can do
//!
//! The table has the first version of Linux with each kind. But a kernel may be built without the
//! kind, or a distribution may have backported it. So ask the kernel:
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
//! This attaches nothing. To find out which programs a hook has, call [`TcxHook::query`],
//! [`CgroupHook::query`], [`NetkitHook::query`], [`NetnsHook::query`] or [`SockmapHook::query`].
//!
//! # How arguments are written
//!
#![doc = include_str!("../docs/spellings.md")]
//!
//! # Features
//!
//! All are off by default.
//!
//! - `elf`: finds functions and USDT probes of programs and libraries by name: `Binary`.
//! - `elf-xz`: the same, and reads the symbols of local functions that Fedora and RHEL compress
//!   into stripped binaries (`.gnu_debugdata`).
//! - `inspect`: the module `inspect`, with an inventory of all links of a machine, their holders,
//!   pins and names, and what is attached to one place.
//! - `serde`: serializes what the kernel says about links, under the names of the fields, and reads
//!   it back. With `inspect` as well, serializes descriptions of links to the keys of `bpftool`.
#![forbid(unsafe_code)]
// Docs.rs marks what needs a feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
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
    CacheOperation, CacheResult, CgroupIterOrder, CommandError, CountedEvent, HardwareCache,
    HardwareEvent, HookProgram, HookPrograms, IterArgs, IterCgroup, IterTarget, IterTask,
    KprobeMultiFlags, LinkId, LinkIds, LinkKind, Links, MapId, MapInfo, NetfilterFlags, ProgramId,
    ProgramInfo, ProgramType, RawLink, SoftwareEvent, StructOpsMap, Support, Target, UnknownName,
    UpdateBy, UprobeMultiFlags, link_ids, links, open_pinned_map, open_pinned_program,
};
#[doc(inline)]
pub use ensure::{Attach, AttachProgram, Ensure, Ensured};
#[cfg(feature = "elf")]
pub use error::BinaryProblem;
pub use error::{
    BtfOf, Error, FilePlaces, HolderLink, HookHolder, KernelFunctionProblem, LinkError, LinkState,
    Rejected, Result, SampleRateProblem, SetFailure, SharedName, SimilarSymbols,
    UntraceableAddress, UntraceableSymbols,
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
