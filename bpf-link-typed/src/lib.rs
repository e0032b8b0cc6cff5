//! Every kind of Linux `bpf_link` as a type of its own.
//!
//! What it does:
//!
//! - nothing yet: this is the place of the layer above [`bpf_link`], which tells the kinds apart and reads what is particular to each.
//!
//! What it does not do:
//!
//! - system calls or unsafe code: those are the business of the layers below.
//!
//! ```
//! use bpf_link::LinkKind;
//!
//! assert_eq!(LinkKind::KNOWN.len(), 15);
//! ```
#![forbid(unsafe_code)]
