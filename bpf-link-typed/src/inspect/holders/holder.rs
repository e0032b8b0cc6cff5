//! A process that holds a link.

use std::ffi::CStr;
use std::fmt;

use bpf_link::LinkId;

/// How many bytes the kernel has for the name of a process, with the NUL after it.
const COMM: usize = 16;

/// A process that holds a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    link: LinkId,
    pid: u32,
    comm: [u8; COMM],
}

impl Holder {
    pub(super) fn new(link: LinkId, pid: u32, name: &[u8]) -> Self {
        let mut comm = [0; COMM];
        for (byte, of_name) in comm.iter_mut().take(COMM - 1).zip(name) {
            *byte = *of_name;
        }
        Self { link, pid, comm }
    }

    /// The link.
    #[must_use]
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name of the process (`/proc/PID/comm`), of which the kernel keeps 15 bytes. Empty if the
    /// process ended while it was read.
    #[must_use]
    pub fn comm(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.comm).unwrap_or_default()
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("link", &self.link.get())
            .field("pid", &self.pid)
            .field("comm", &self.comm())
            .finish()
    }
}
