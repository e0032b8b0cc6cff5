//! The kernel's own types.

use std::io;

use super::answer::untold;
use crate::btf::types::{FUNC, Types};
use crate::error::{Command, Result};
use crate::kind::LinkKind;
use crate::sys;

/// The number of the kernel's function of this name, which this kind is asked for with.
pub(super) fn function(kind: LinkKind, name: &str) -> Result<u32> {
    find(name).or_else(|source| untold(kind, Command::ReadKernelTypes, source))
}

fn find(name: &str) -> io::Result<u32> {
    let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let bytes = sys::KernelTypes::read()?;
    for found in Types::new(&bytes).map_err(malformed)? {
        let found = found.map_err(malformed)?;
        if found.kind == FUNC && found.is_named(name) {
            return Ok(found.id);
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOENT))
}
