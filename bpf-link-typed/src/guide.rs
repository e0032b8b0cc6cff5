//! Guides: whole tasks from beginning to end, and pages for users of other libraries.

#[doc = include_str!("../docs/examples.md")]
pub mod examples {}

#[doc = include_str!("../docs/failed-attach.md")]
pub mod failed_attach {}

#[doc = include_str!("../docs/from-aya.md")]
pub mod from_aya {}

#[doc = include_str!("../docs/from-cilium-ebpf.md")]
pub mod from_cilium_ebpf {}

#[doc = include_str!("../docs/from-libbpf.md")]
pub mod from_libbpf {}

#[doc = include_str!("../docs/from-libbpf-rs.md")]
pub mod from_libbpf_rs {}

#[doc = include_str!("../docs/sections.md")]
pub mod sections {}

#[doc = include_str!("../docs/takeover.md")]
pub mod takeover {}
