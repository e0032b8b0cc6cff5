//! The file and offsets of a `uprobe_multi` link.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use crate::error::{Error, FirstOf, Target, same_length};
use crate::flags::UprobeMultiFlags;

/// The places in a file that a `uprobe_multi` link is attached to (`link_create.uprobe_multi`,
/// since Linux 6.6).
#[derive(Clone, Copy, Debug)]
pub struct UprobeMultiArgs<'a> {
    pub(crate) file: UprobeMultiFile<'a>,
    offsets: &'a [u64],
    /// As many as there are offsets.
    ref_ctr_offsets: Option<&'a [u64]>,
    /// As many as there are offsets.
    cookies: Option<&'a [u64]>,
    pub(crate) flags: UprobeMultiFlags,
    pub(crate) pid: u32,
}

/// The file that the probes are in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UprobeMultiFile<'a> {
    /// By path, from the caller's root and working directory.
    Path(&'a CStr),
    /// An open file; one opened with `O_PATH` is refused with `EBADF`. Since Linux 7.2.
    Fd(BorrowedFd<'a>),
}

impl<'a> UprobeMultiArgs<'a> {
    /// Probes at these offsets, in bytes, into the file at this path.
    #[must_use]
    pub fn path(path: &'a CStr, offsets: &'a [u64]) -> Self {
        Self::new(UprobeMultiFile::Path(path), offsets)
    }

    /// Probes at these offsets, in bytes, into this open file. Since Linux 7.2.
    pub fn path_fd(file: &'a (impl AsFd + ?Sized), offsets: &'a [u64]) -> Self {
        Self::new(UprobeMultiFile::Fd(file.as_fd()), offsets)
    }

    fn new(file: UprobeMultiFile<'a>, offsets: &'a [u64]) -> Self {
        Self {
            file,
            offsets,
            ref_ctr_offsets: None,
            cookies: None,
            flags: UprobeMultiFlags::empty(),
            pid: 0,
        }
    }

    /// Where in the file the 16-bit reference counter of each probe is, in bytes; 0 for a probe
    /// that has none.
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`] unless there are as many as offsets.
    pub fn ref_ctr_offsets(mut self, ref_ctr_offsets: &'a [u64]) -> Result<Self, Error> {
        same_length(
            "uprobe_multi.ref_ctr_offsets",
            self.offsets.len(),
            ref_ctr_offsets.len(),
            || self.target(),
        )?;
        self.ref_ctr_offsets = Some(ref_ctr_offsets);
        Ok(self)
    }

    /// What `bpf_get_attach_cookie` gives the program at each offset, in the order of the offsets.
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`] unless there are as many as offsets.
    pub fn cookies(mut self, cookies: &'a [u64]) -> Result<Self, Error> {
        let of = || self.target();
        same_length(
            "uprobe_multi.cookies",
            self.offsets.len(),
            cookies.len(),
            of,
        )?;
        self.cookies = Some(cookies);
        Ok(self)
    }

    /// The flags.
    #[must_use]
    pub fn flags(mut self, flags: UprobeMultiFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Only in the process with this id in the caller's PID namespace; 0, as without this call, for
    /// every process.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Offsets, offsets of reference counters, cookies.
    pub(crate) fn arrays(&self) -> (&'a [u64], Option<&'a [u64]>, Option<&'a [u64]>) {
        (self.offsets, self.ref_ctr_offsets, self.cookies)
    }
}

impl UprobeMultiArgs<'_> {
    /// What errors call it.
    pub(crate) fn target(&self) -> Target {
        Target::File {
            path: match self.file {
                UprobeMultiFile::Path(path) => Some(OsStr::from_bytes(path.to_bytes()).into()),
                UprobeMultiFile::Fd(_) => None,
            },
            offsets: FirstOf::these(self.offsets.iter().copied()),
            process: (self.pid != 0).then_some(self.pid),
        }
    }
}
