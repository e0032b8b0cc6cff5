//! Pins made and opened by bare system calls.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::sys;

/// Pins a program, a map or a link.
///
/// # Errors
///
/// What the kernel answered.
pub fn pin(object: &impl AsFd, path: &Path) -> Result<()> {
    sys::obj_pin(object.as_fd(), &c_string(path)?)
        .with_context(|| format!("pinning to {}", path.display()))
}

/// Opens whatever is pinned there.
///
/// # Errors
///
/// What the kernel answered.
pub fn open(path: &Path) -> Result<OwnedFd> {
    sys::obj_get(&c_string(path)?).with_context(|| format!("opening the pin {}", path.display()))
}

fn c_string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).with_context(|| path.display().to_string())
}
