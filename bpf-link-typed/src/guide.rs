//! Guides: how to do a thing from its beginning to its end.

#[doc = include_str!("../docs/failed-attach.md")]
pub mod failed_attach {}

#[doc = include_str!("../docs/takeover.md")]
pub mod takeover {}
