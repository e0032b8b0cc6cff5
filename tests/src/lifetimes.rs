//! What does not compile, each beside the same that does: the two differ in one line, so that it is
//! this line which is refused. The codes of the errors are compared by toolchains that have
//! unstable features (`RUSTDOC=$PWD/.ci/rustdoc cargo test --doc -p bpf-link-tests`).
//!
//! # A request borrows its program
//!
//! ```
//! use bpf_link::{AttachType, LinkCreate, RawLink};
//!
//! fn attach(program: std::fs::File) -> bpf_link::Result<RawLink> {
//!     let request = LinkCreate::new(&program, AttachType::Xdp);
//!     let link = RawLink::create(&request);
//!     drop(program);
//!     link
//! }
//! ```
//!
//! ```compile_fail,E0505
//! use bpf_link::{AttachType, LinkCreate, RawLink};
//!
//! fn attach(program: std::fs::File) -> bpf_link::Result<RawLink> {
//!     let request = LinkCreate::new(&program, AttachType::Xdp);
//!     drop(program);
//!     let link = RawLink::create(&request);
//!     link
//! }
//! ```
//!
//! # A view of an info borrows the buffer that it is in
//!
//! ```
//! use bpf_link::RawLink;
//! use bpf_link_typed::InfoBuf;
//!
//! fn show(one: &RawLink, other: &RawLink) -> bpf_link_typed::Result<()> {
//!     let mut buf = InfoBuf::new();
//!     let info = buf.read(one)?;
//!     println!("{info:?}");
//!     buf.read(other)?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail,E0499
//! use bpf_link::RawLink;
//! use bpf_link_typed::InfoBuf;
//!
//! fn show(one: &RawLink, other: &RawLink) -> bpf_link_typed::Result<()> {
//!     let mut buf = InfoBuf::new();
//!     let info = buf.read(one)?;
//!     buf.read(other)?;
//!     println!("{info:?}");
//!     Ok(())
//! }
//! ```
//!
//! # Names and arrays do not outlive their buffer, but what owns them does
//!
//! ```
//! use bpf_link_typed::{InfoBuf, IterInfo, IterLink};
//!
//! fn info(link: &IterLink) -> bpf_link_typed::Result<IterInfo> {
//!     let mut buf = InfoBuf::new();
//!     Ok(link.info_in(&mut buf)?.into_owned())
//! }
//! ```
//!
//! ```compile_fail,E0515
//! use bpf_link_typed::{InfoBuf, IterInfoRef, IterLink};
//!
//! fn info<'a>(link: &'a IterLink) -> bpf_link_typed::Result<IterInfoRef<'a>> {
//!     let mut buf = InfoBuf::new();
//!     Ok(link.info_in(&mut buf)?)
//! }
//! ```
//!
//! # Lent buffers are the kernel's until it has answered
//!
//! ```
//! use bpf_link::{InfoBuffers, RawLink};
//!
//! fn ask(link: &RawLink) -> bpf_link::Result<()> {
//!     let mut name = [0; 64];
//!     let buffers = InfoBuffers::RawTracepoint { name: &mut name };
//!     link.info_with(buffers)?;
//!     println!("{}", name[0]);
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail,E0502
//! use bpf_link::{InfoBuffers, RawLink};
//!
//! fn ask(link: &RawLink) -> bpf_link::Result<()> {
//!     let mut name = [0; 64];
//!     let buffers = InfoBuffers::RawTracepoint { name: &mut name };
//!     println!("{}", name[0]);
//!     link.info_with(buffers)?;
//!     Ok(())
//! }
//! ```
//!
//! # What a descriptor was turned into has it
//!
//! ```
//! use std::os::fd::{AsFd, OwnedFd};
//!
//! fn take(fd: OwnedFd) -> Option<bpf_link::RawLink> {
//!     println!("{:?}", fd.as_fd());
//!     bpf_link::RawLink::try_from(fd).ok()
//! }
//! ```
//!
//! ```compile_fail,E0382
//! use std::os::fd::{AsFd, OwnedFd};
//!
//! fn take(fd: OwnedFd) -> Option<bpf_link::RawLink> {
//!     let link = bpf_link::RawLink::try_from(fd).ok();
//!     println!("{:?}", fd.as_fd());
//!     link
//! }
//! ```
//!
//! # A link that nobody keeps is a warning
//!
//! The attribute is on the types: on a function it is lost after `?`.
//!
//! ```
//! #![deny(unused_must_use)]
//! use std::fs::File;
//! use bpf_link::{AttachType, LinkCreate, RawLink};
//!
//! fn attach(program: &File) -> bpf_link::Result<()> {
//!     let request = LinkCreate::new(program, AttachType::Xdp).target_ifindex(1);
//!     let _link = RawLink::create(&request)?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use std::fs::File;
//! use bpf_link::{AttachType, LinkCreate, RawLink};
//!
//! fn attach(program: &File) -> bpf_link::Result<()> {
//!     let request = LinkCreate::new(program, AttachType::Xdp).target_ifindex(1);
//!     RawLink::create(&request)?;
//!     Ok(())
//! }
//! ```
//!
//! ```
//! #![deny(unused_must_use)]
//! use std::fs::File;
//! use bpf_link_typed::XdpAttach;
//!
//! fn attach(program: &File) -> bpf_link_typed::Result<()> {
//!     let _link = XdpAttach::to("lo").attach(program)?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use std::fs::File;
//! use bpf_link_typed::XdpAttach;
//!
//! fn attach(program: &File) -> bpf_link_typed::Result<()> {
//!     XdpAttach::to("lo").attach(program)?;
//!     Ok(())
//! }
//! ```
//!
//! ```
//! #![deny(unused_must_use)]
//! use bpf_link_typed::Link;
//!
//! fn open() -> bpf_link_typed::Result<()> {
//!     let _link = Link::from_pinned("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use bpf_link_typed::Link;
//!
//! fn open() -> bpf_link_typed::Result<()> {
//!     Link::from_pinned("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
//!
//! ```
//! #![deny(unused_must_use)]
//! use bpf_link_typed::OtherLink;
//!
//! fn open() -> bpf_link_typed::Result<()> {
//!     let _link = OtherLink::from_pinned("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use bpf_link_typed::OtherLink;
//!
//! fn open() -> bpf_link_typed::Result<()> {
//!     OtherLink::from_pinned("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
//!
//! ```
//! #![deny(unused_must_use)]
//! use bpf_link::PinLock;
//!
//! fn lock() -> bpf_link::Result<()> {
//!     let _lock = PinLock::of("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! use bpf_link::PinLock;
//!
//! fn lock() -> bpf_link::Result<()> {
//!     PinLock::of("/sys/fs/bpf/link")?;
//!     Ok(())
//! }
//! ```
