//! What a raw tracepoint is opened with.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, InvalidRequest};

/// What [`RawLink::open_raw_tracepoint`](crate::RawLink::open_raw_tracepoint) takes.
#[derive(Clone, Copy, Debug)]
pub struct RawTracepointOpen<'a> {
    pub(crate) program: BorrowedFd<'a>,
    name: Option<&'a CStr>,
    pub(crate) cookie: u64,
}

impl<'a> RawTracepointOpen<'a> {
    /// The most bytes of a name that the kernel reads.
    const NAME_MAX: usize = 127;

    /// This raw tracepoint program on the tracepoint of this name, such as `sched_switch`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] if the name is longer than the 127 bytes that the kernel reads of
    /// it.
    pub fn named(program: &'a (impl AsFd + ?Sized), name: &'a CStr) -> Result<Self, Error> {
        if name.to_bytes().len() > Self::NAME_MAX {
            return Err(InvalidRequest::TracepointName { name: name.into() }.into());
        }
        Ok(Self {
            program: program.as_fd(),
            name: Some(name),
            cookie: 0,
        })
    }

    /// This tracing, LSM or extension program on the target that it was loaded for. This is how
    /// such a program is attached on kernels before Linux 5.19, and still works on later ones.
    pub fn load_time_target(program: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            program: program.as_fd(),
            name: None,
            cookie: 0,
        }
    }

    /// What `bpf_get_attach_cookie` gives the program. Since Linux 6.10.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    pub(crate) fn name(&self) -> Option<&'a CStr> {
        self.name
    }
}
