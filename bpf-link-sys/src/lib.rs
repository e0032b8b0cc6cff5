//! The interface of the Linux kernel to `bpf(2)` links, as its headers declare it:
//! `union bpf_attr`, `struct bpf_link_info`, and the constants that go with them.
//!
//! What it does:
//!
//! - has the types and constants of Linux 7.3 for every link command, for loading the programs and
//!   maps that links need, and for `perf_event_open`;
//! - asserts every size, alignment and offset when it is compiled;
//! - gives a name that lasts to what has none in C.
//!
//! What it does not do:
//!
//! - no system call, no logic, no allocation, no dependency, no `std`: `bpf-link` is the crate that
//!   makes the calls;
//! - no 32-bit target;
//! - no documentation of the fields: the kernel's `linux/bpf.h` is that.
//!
//! ```
//! use bpf_link_sys::{BPF_LINK_CREATE, BPF_XDP, bpf_attr, bpf_attr__link_create};
//!
//! // SAFETY: a `bpf_attr` is integers and arrays of integers, for which zeros are valid values.
//! let mut attr: bpf_attr = unsafe { core::mem::zeroed() };
//! // A union field may be written as a whole, and its fields may be written one by one.
//! attr.link_create.prog_fd_union.prog_fd = 3;
//! attr.link_create.target_fd_union.target_ifindex = 1;
//! attr.link_create.attach_type = BPF_XDP;
//!
//! assert_eq!(BPF_LINK_CREATE, 28);
//! assert_eq!(size_of::<bpf_attr>(), 168);
//! assert_eq!(size_of::<bpf_attr__link_create>(), 64);
//! ```
//!
//! # Names
//!
//! What has a name in C keeps it. Values of enums are constants without the name of the enum before
//! them, as in C, and have the type of the enum's alias: `BPF_LINK_CREATE: bpf_cmd`. What has no
//! name in C is named after its fields, never by its position, because kernels insert members in
//! the middle:
//!
//! - the type of a named field that is declared in place is `<enclosing named type>__<field>`, such
//!   as [`bpf_attr__link_create__kprobe_multi`];
//! - an anonymous member has the first name inside it, followed by `_union` or `_struct`, such as
//!   `link_create.target_btf_id_union`, and its type is `<enclosing named type>__<that name>`, such
//!   as [`bpf_attr__link_create__target_btf_id_union`];
//! - the constants of an anonymous enum are integers, such as [`BPF_F_RDONLY`].
//!
//! Anonymous levels leave no trace in the names of types: `kprobe_multi` above is inside an
//! anonymous union of `link_create`.
//!
//! # Where it comes from
//!
//! `cargo xtask regen-bindings` generates it, with bindgen, from the UAPI headers that Debian
//! packages. `bindings.toml`, beside this crate's manifest, records exactly which.
#![no_std]

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "bpf-link-sys supports 64-bit targets only: its layouts are generated and asserted for those"
);

// `cargo xtask regen-bindings` compares these with each other.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "powerpc64",
    target_arch = "riscv64",
    target_arch = "s390x",
    target_arch = "sparc64",
)))]
#[cfg(target_pointer_width = "64")]
compile_error!("bpf-link-sys has not been compared with the kernel's headers of this architecture");

#[cfg(target_pointer_width = "64")]
#[rustfmt::skip]
#[expect(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "C's names, without the header's comments: the kernel's headers are the documentation"
)]
#[allow(
// It allows what older compilers do not know.
    unknown_lints,
    unused_mut,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "the text is bindgen's, and is not edited"
)]
mod bindings;

#[cfg(target_pointer_width = "64")]
pub use bindings::*;
