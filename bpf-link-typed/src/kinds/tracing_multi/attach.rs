//! Attaching to many kernel functions by their BTF.

use std::os::fd::AsFd;

use bpf_link::{AttachType, BtfTypeId, LinkCreate, RawLink, TracingMultiArgs};

use super::TracingMultiLink;
use crate::attach::When;
use crate::attach::fit;
use crate::error::Result;

/// Attaches a program to the entry, the exit, or both, of many functions of the kernel or of a
/// module.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::{BtfTypeId, TracingMultiAttach};
///
/// # fn example(program: std::fs::File, ids: [BtfTypeId; 2]) -> bpf_link_typed::Result<()> {
/// let link = TracingMultiAttach::to(When::Entry, &ids)
///     .cookies(&[1, 2])
///     .attach(&program)?;
/// println!("{:?} functions", link.info()?.count);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct TracingMultiAttach<'a> {
    pub(super) when: When,
    pub(super) ids: &'a [BtfTypeId],
    pub(super) cookies: Option<&'a [u64]>,
}

impl<'a> TracingMultiAttach<'a> {
    /// To the functions with these numbers in the BTF object that the program was loaded for, each
    /// of which is given once.
    pub fn to(when: When, ids: &'a [BtfTypeId]) -> Self {
        Self {
            when,
            ids,
            cookies: None,
        }
    }

    /// What `bpf_get_attach_cookie` gives the program for each function, in the order of the
    /// functions.
    pub fn cookies(mut self, cookies: &'a [u64]) -> Self {
        self.cookies = Some(cookies);
        self
    }

    /// Attaches the program to all of the functions, or to none: it runs as long as the link has a
    /// descriptor or a pin.
    ///
    /// The program stays the caller's, and has to be loaded for `BPF_TRACE_FENTRY_MULTI`,
    /// `BPF_TRACE_FEXIT_MULTI` or `BPF_TRACE_FSESSION_MULTI`.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link) with
    ///
    /// - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`);
    /// - [`LengthMismatch`](bpf_link::Error::LengthMismatch): not as many cookies as functions;
    /// - [`Command`](bpf_link::Error::Command) and
    ///   - `EINVAL`: there are no functions, one is given twice, is not a function or returns a
    ///     structure, or the program is for something else;
    ///   - `ENOENT`: a function cannot be traced;
    ///   - `EBUSY`: the program is on one of the functions already, or an extension is;
    ///   - `E2BIG`: one of the functions has as many programs as it takes;
    ///   - `EOPNOTSUPP`: the machine is not an x86-64.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 7.2; it ends in `bpf_tracing_multi_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<TracingMultiLink> {
        let args = TracingMultiArgs::new(self.ids);
        let args = match self.cookies {
            Some(cookies) => args.cookies(cookies)?,
            None => args,
        };
        let request = LinkCreate::new(&program, self.attach_type()).args(args);
        RawLink::create(&request)
            .map(TracingMultiLink)
            .map_err(|source| fit::by_type(program.as_fd(), self.attach_type(), source))
    }

    pub(super) fn attach_type(&self) -> AttachType {
        match self.when {
            When::Entry => AttachType::TraceFentryMulti,
            When::Return => AttachType::TraceFexitMulti,
            When::Session => AttachType::TraceFsessionMulti,
        }
    }
}
