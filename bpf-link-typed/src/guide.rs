//! Guides: how to do a thing from its beginning to its end.

#[doc = include_str!("../docs/takeover.md")]
pub mod takeover {}
