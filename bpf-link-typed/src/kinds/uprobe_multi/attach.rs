//! Attaching to many places in a file.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;

use bpf_link::{AttachType, LinkCreate, RawLink, UprobeMultiArgs, UprobeMultiFlags};

use super::UprobeMultiLink;
use crate::attach::When;
use crate::attach::file_ref::{FileRef, missing_file};
use crate::attach::fit;
use crate::error::{ENOTSUPP, Error, FilePlaces, Result};

/// Attaches a program to many places in a user-space file.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::UprobeMultiAttach;
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = UprobeMultiAttach::to("/usr/bin/workload", When::Entry, &[0x1139, 0x1150])
///     .cookies(&[1, 2])
///     .pid(4711)
///     .attach(&program)?;
/// println!("{:?}", link.info()?.path);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct UprobeMultiAttach<'a> {
    pub(super) file: FileRef<'a>,
    pub(super) when: When,
    pub(super) offsets: &'a [u64],
    pub(super) ref_ctr_offsets: Option<&'a [u64]>,
    pub(super) cookies: Option<&'a [u64]>,
    pub(super) pid: Option<u32>,
}

impl<'a> UprobeMultiAttach<'a> {
    /// To these places, in bytes from the start of the file. The kernel opens a path itself, from
    /// the caller's root and working directory; a file that is open already it takes since Linux
    /// 7.2.
    pub fn to(file: impl Into<FileRef<'a>>, when: When, offsets: &'a [u64]) -> Self {
        Self {
            file: file.into(),
            when,
            offsets,
            ref_ctr_offsets: None,
            cookies: None,
            pid: None,
        }
    }

    /// Where in the file the reference counter of each place is, in bytes, in the order of the
    /// places; 0 for none.
    pub fn ref_ctr_offsets(mut self, ref_ctr_offsets: &'a [u64]) -> Self {
        self.ref_ctr_offsets = Some(ref_ctr_offsets);
        self
    }

    /// What `bpf_get_attach_cookie` gives the program in each place, in the order of the places.
    pub fn cookies(mut self, cookies: &'a [u64]) -> Self {
        self.cookies = Some(cookies);
        self
    }

    /// Only in the process with this id in the caller's PID namespace.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    /// Attaches the program to all of the places, or to none: it runs as long as the link has a
    /// descriptor or a pin.
    ///
    /// The program stays the caller's, and has to be loaded for `BPF_TRACE_UPROBE_MULTI`, or
    /// `BPF_TRACE_UPROBE_SESSION` for a session.
    ///
    /// # Errors
    ///
    /// [`Error::InstructionNotProbed`] (number 524): one of the instructions cannot be probed, and
    /// a process maps the file. [`Error::Link`] with
    ///
    /// - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`,
    ///   `EOPNOTSUPP`): also for an open file before Linux 7.2;
    /// - [`LengthMismatch`](bpf_link::Error::LengthMismatch): not as many cookies or reference
    ///   counters as places;
    /// - [`PathHasNul`](bpf_link::Error::PathHasNul);
    /// - [`Command`](bpf_link::Error::Command) and
    ///   - `ENOENT`: there is no such file;
    ///   - `EBADF`: it is not a regular file, or was opened with `O_PATH`;
    ///   - `ESRCH`: there is no such process;
    ///   - `EINVAL`: there are no places, or one is behind the end of the file, or the program is
    ///     for something else.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.6, sessions since 6.13; it ends in
    /// `bpf_uprobe_multi_link_attach` (7.3).
    pub fn attach(&self, program: &(impl AsFd + ?Sized)) -> Result<UprobeMultiLink> {
        let path;
        let args = match &self.file {
            FileRef::Fd(file) => UprobeMultiArgs::path_fd(file, self.offsets),
            FileRef::Path(given) => {
                path = CString::new(given.as_os_str().as_bytes()).map_err(|_| {
                    bpf_link::Error::PathHasNul {
                        path: given.to_path_buf(),
                    }
                })?;
                UprobeMultiArgs::path(&path, self.offsets)
            }
        };
        let args = match self.ref_ctr_offsets {
            Some(ref_ctr_offsets) => args.ref_ctr_offsets(ref_ctr_offsets)?,
            None => args,
        };
        let args = match self.cookies {
            Some(cookies) => args.cookies(cookies)?,
            None => args,
        };
        let (attach_type, flags) = match self.when {
            When::Entry => (AttachType::TraceUprobeMulti, UprobeMultiFlags::empty()),
            When::Return => (AttachType::TraceUprobeMulti, UprobeMultiFlags::RETURN),
            When::Session => (AttachType::TraceUprobeSession, UprobeMultiFlags::empty()),
        };
        let args = args.flags(flags).pid(self.pid.unwrap_or(0));
        let request = LinkCreate::new(program, attach_type).args(args);
        RawLink::create(&request)
            .map(UprobeMultiLink)
            .map_err(|source| match (source.errno(), self.file) {
                (Some(errno @ libc::ENOENT), FileRef::Path(path)) => missing_file(path, errno),
                (Some(ENOTSUPP), file) => Error::InstructionNotProbed {
                    places: Box::new(FilePlaces::new(file.path_in_words(), self.offsets)),
                    source,
                },
                _ => fit::by_type(program.as_fd(), attach_type, source),
            })
    }
}
