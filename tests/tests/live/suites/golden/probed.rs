//! A file to put probes into.

use std::ffi::CString;
use std::path::PathBuf;

use anyhow::Result;
use bpf_link_tests::Sandbox;

/// A file to put probes into, which no process ever runs.
pub(crate) struct Probed {
    pub(crate) path: PathBuf,
    pub(crate) name: CString,
}

impl Probed {
    pub(crate) fn new(sandbox: &Sandbox) -> Result<Self> {
        let path = sandbox.directory().join("probed");
        std::fs::write(&path, [0; 4096])?;
        let name = CString::new(path.as_os_str().as_encoded_bytes())?;
        Ok(Self { path, name })
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        // It is in memory, and goes with the sandbox if it stays.
        let _ = std::fs::remove_file(&self.path);
    }
}
