//! BTF of the tests' own.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use crate::sys;

/// The id of the only type of [`integer`].
pub(crate) const INTEGER: u32 = 1;

/// BTF with one signed number of 4 bytes in it.
///
/// A map whose types the kernel knows itself needs some BTF as well.
///
/// # Errors
///
/// What the kernel answered.
pub(crate) fn integer() -> Result<OwnedFd> {
    const STRINGS: &[u8] = b"\0int\0";
    let header_and_type: [u32; 10] = [
        // The magic number, version 1, no flags; the length of the header.
        0x0001_eb9f,
        24,
        // Where the types and the strings begin, after the header, and their lengths.
        0,
        16,
        16,
        u32::try_from(STRINGS.len())?,
        // The name's place among the strings; the kind of type; its bytes; its bits.
        1,
        1 << 24,
        4,
        32,
    ];
    let mut btf: Vec<u8> = header_and_type
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    btf.extend_from_slice(STRINGS);
    sys::btf_load(&btf).context("loading BTF")
}
