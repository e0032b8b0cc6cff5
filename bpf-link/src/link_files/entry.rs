//! An open file of a link.

use std::ffi::CStr;
use std::fmt;

use super::record::Record;
use crate::id::LinkId;
use crate::kind::LinkKind;

/// A descriptor of a link, in some process.
///
/// Process and thread ids are those of the initial PID namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkFile {
    link: LinkId,
    record: Record,
}

impl LinkFile {
    pub(super) fn new(link: LinkId, record: Record) -> Self {
        Self { link, record }
    }

    /// The id of the link.
    #[inline]
    #[must_use]
    pub fn link_id(&self) -> LinkId {
        self.link
    }

    /// The kind of the link.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        LinkKind::from_raw(self.record.kind)
    }

    /// The id of the process.
    #[inline]
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    /// The id of a thread whose table has the descriptor: that of the process, unless the thread
    /// does not share the table of the first thread.
    #[inline]
    #[must_use]
    pub fn tid(&self) -> u32 {
        self.record.tid
    }

    /// The descriptor.
    #[inline]
    #[must_use]
    pub fn fd(&self) -> u32 {
        self.record.fd
    }

    /// The name of the process, which is that of its first thread (`/proc/PID/comm`).
    #[must_use]
    pub fn comm(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.record.comm).unwrap_or_default()
    }
}

impl fmt::Debug for LinkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkFile")
            .field("link_id", &self.link.get())
            .field("kind", &self.kind())
            .field("pid", &self.pid())
            .field("tid", &self.tid())
            .field("fd", &self.fd())
            .field("comm", &self.comm())
            .finish_non_exhaustive()
    }
}
