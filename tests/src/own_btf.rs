//! BTF of the tests' own.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};

use crate::btf_header::btf_header;
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
    // The name's place among the strings; the kind of type; its bytes; its bits.
    const TYPE: [u32; 4] = [1, 1 << 24, 4, 32];
    let mut btf = btf_header(16, u32::try_from(STRINGS.len())?);
    btf.extend(TYPE.into_iter().flat_map(u32::to_ne_bytes));
    btf.extend_from_slice(STRINGS);
    sys::btf_load(&btf).context("loading BTF")
}
