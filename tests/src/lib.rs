//! What this workspace's tests, examples and benchmarks need on a real kernel.
//!
//! What it does:
//!
//! - [`Sandbox`]: namespaces, a bpffs, cgroups and tracefs of its own for a test;
//! - [`Program`] and [`Map`], loaded from instructions that [`asm`] puts together, without a
//!   compiler; iterators and `struct_ops`;
//! - what programs attach to: [`Cgroup`], [`Device`], [`Netns`], [`PerfEvent`];
//! - evidence that does not come from `bpf-link`: [`links`], [`Descriptors`], [`CounterMap`], and
//!   [`sys`], the system calls themselves;
//! - the kernel's interface as data, to hold the bindings against: [`abi`], and [`recorded`], what
//!   kernels have said.
//!
//! What it does not do:
//!
//! - it knows nothing of `bpf-link`, which uses it in turn;
//! - it is not published.
#![deny(unsafe_code)]

pub mod abi;
pub mod asm;
mod btf;
mod btf_header;
mod cgroup;
mod classic_tc;
mod descriptors;
pub mod device;
pub mod elf;
mod eventually;
mod form;
mod hook;
mod iterator;
#[cfg(doctest)]
mod lifetimes;
pub mod links;
pub mod lister_words;
mod map;
pub mod mounted;
pub mod names;
mod netlink;
mod netns;
mod own_btf;
pub mod own_code;
mod perf;
pub mod picture;
pub mod pins;
pub mod processors;
mod program;
mod prologue;
pub mod recorded;
mod replaceable;
mod sandbox;
mod struct_ops;
#[expect(unsafe_code, reason = "the one module with unsafe code")]
pub mod sys;
mod traceable;

pub use btf::{KernelBtf, Member};
pub use btf_header::btf_header;
pub use cgroup::{Cgroup, remove_left_over};
pub use classic_tc::ClassicTc;
pub use descriptors::Descriptors;
pub use device::{Device, DeviceKind};
pub use eventually::{PATIENCE, eventually, eventually_holds};
pub use form::{LONG_VARIABLE, in_form, tests_at_a_time};
pub use hook::Hook;
pub use iterator::iterator;
pub use map::{CounterMap, Map};
pub use netns::Netns;
pub use perf::{PerfEvent, ProbeAt};
pub use program::{Loader, Program};
pub use replaceable::{Replaceable, described_as};
pub use sandbox::Sandbox;
pub use struct_ops::CongestionControl;
pub use traceable::traceable;

/// Has the examples of the READMEs compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../bpf-link-sys/README.md")]
#[doc = include_str!("../../bpf-link/README.md")]
#[doc = include_str!("../../bpf-link-typed/README.md")]
struct ReadmeExamples;
