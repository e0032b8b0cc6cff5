//! Attaching to many places in a file.

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bpf_link::{
    AttachType, FirstOf, LinkCreate, RawLink, Target, UprobeMultiArgs, UprobeMultiFlags,
};

use super::UprobeMultiLink;
use crate::attach::When;
use crate::attach::file_ref::{FileRef, by_descriptor, missing_file};
use crate::attach::fit;
use crate::attach::offsets::OffsetsRef;
#[cfg(feature = "elf")]
use crate::binary::{Binary, BinaryPlace};
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
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct UprobeMultiAttach<'a> {
    pub(super) file: FileRef<'a>,
    pub(super) when: When,
    pub(super) offsets: Cow<'a, [u64]>,
    pub(super) ref_ctr_offsets: Option<Cow<'a, [u64]>>,
    pub(super) cookies: Option<Cow<'a, [u64]>>,
    pub(super) pid: Option<u32>,
}

impl<'a> UprobeMultiAttach<'a> {
    /// To these places, in bytes from the start of the file. The kernel opens a path itself, from
    /// the caller's root and working directory. A file that is open already is given by its
    /// descriptor since Linux 7.2, and as `/proc/self/fd/N` before.
    pub fn to(
        file: impl Into<FileRef<'a>>,
        when: When,
        offsets: impl Into<OffsetsRef<'a>>,
    ) -> Self {
        Self {
            file: file.into(),
            when,
            offsets: offsets.into().0,
            ref_ctr_offsets: None,
            cookies: None,
            pid: None,
        }
    }

    /// To these places in a binary: functions ([`BinarySymbol`](crate::BinarySymbol)), places of
    /// USDT probes with their reference counters ([`UsdtPlace`](crate::UsdtPlace)), offsets, or
    /// [`BinaryPlace`]s, each with a cookie of its own. It is attached to the file that was read,
    /// even if another one is at its path by now.
    #[cfg(feature = "elf")]
    pub fn in_binary<I>(binary: &'a Binary, when: When, places: I) -> Self
    where
        I: IntoIterator<Item: Into<BinaryPlace>>,
    {
        let places: Vec<BinaryPlace> = places.into_iter().map(Into::into).collect();
        let all =
            |number: fn(&BinaryPlace) -> u64| -> Vec<u64> { places.iter().map(number).collect() };
        let has_counters = places.iter().any(|place| place.ref_ctr_offset != 0);
        let has_cookies = places.iter().any(|place| place.cookie.is_some());
        let counters = has_counters.then(|| all(|place| place.ref_ctr_offset).into());
        let cookies = has_cookies.then(|| all(|place| place.cookie.unwrap_or(0)).into());
        Self {
            ref_ctr_offsets: counters,
            cookies,
            ..Self::to(binary, when, all(|place| place.offset))
        }
    }

    /// To all functions of a binary whose names match a pattern, in which `*` stands for any
    /// characters and `?` for one: [`Binary::functions_matching`] returns them.
    ///
    /// # Errors
    ///
    /// As [`Binary::functions_matching`].
    #[cfg(feature = "elf")]
    pub fn matching(binary: &'a Binary, when: When, pattern: impl AsRef<str>) -> Result<Self> {
        let functions = binary.functions_matching(pattern)?;
        Ok(Self::in_binary(binary, when, functions))
    }

    /// Where in the file the reference counter of each place is, in bytes, in the order of the
    /// places; 0 for none.
    pub fn ref_ctr_offsets(mut self, ref_ctr_offsets: impl Into<OffsetsRef<'a>>) -> Self {
        self.ref_ctr_offsets = Some(ref_ctr_offsets.into().0);
        self
    }

    /// What `bpf_get_attach_cookie` gives the program in each place, in the order of the places.
    pub fn cookies(mut self, cookies: impl Into<OffsetsRef<'a>>) -> Self {
        self.cookies = Some(cookies.into().0);
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
    /// a process maps the file. [`Error::AttachTypeMismatch`] (`EINVAL`): the program was loaded
    /// for something else. [`Error::File`] (`ENOENT`): there is no such file. [`Error::Link`] with
    ///
    /// - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    /// - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`,
    ///   `EOPNOTSUPP`);
    /// - [`LengthMismatch`](bpf_link::Error::LengthMismatch): not as many cookies or reference
    ///   counters as places;
    /// - [`PathHasNul`](bpf_link::Error::PathHasNul);
    /// - [`Command`](bpf_link::Error::Command) and
    ///   - `EBADF`: it is not a regular file, or was opened with `O_PATH`;
    ///   - `ESRCH`: there is no such process;
    ///   - `EINVAL`: there are no places, a place is beyond the end of the file, or another probe
    ///     is on the same place with a different reference counter. The kernel allows only one
    ///     counter per place, and none counts as one. A takeover does not remove that probe either.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.6, sessions since 6.13; it ends in
    /// `bpf_uprobe_multi_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<UprobeMultiLink> {
        let program = program.as_fd();
        let created = match &self.file {
            FileRef::Fd(file) => self.create_by_descriptor(program, *file),
            FileRef::Path(path) => self.create_by_path(program, path),
        };
        created
            .map(UprobeMultiLink)
            .map_err(|source| source.naming(self.target()))
            .map_err(|source| match (source.errno(), &self.file) {
                (Some(errno @ libc::ENOENT), FileRef::Path(path)) => missing_file(path, errno),
                (Some(ENOTSUPP), file) => Error::InstructionNotProbed {
                    places: Box::new(FilePlaces::new(file.path_in_words(), &self.offsets)),
                    source,
                },
                _ => fit::or_mismatch(program, self.attach_type(), source),
            })
    }

    fn create_by_descriptor(
        &self,
        program: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
    ) -> bpf_link::Result<RawLink> {
        let created = self.create(program, UprobeMultiArgs::path_fd(&file, &self.offsets));
        match created {
            Err(bpf_link::Error::UnsupportedByKernel(_)) => {
                self.create_by_path(program, &by_descriptor(file))
            }
            created => created,
        }
    }

    fn create_by_path(&self, program: BorrowedFd<'_>, path: &Path) -> bpf_link::Result<RawLink> {
        let c_path = CString::new(path.as_os_str().as_bytes());
        let c_path = c_path.map_err(|_| bpf_link::Error::PathHasNul {
            path: path.to_path_buf(),
        })?;
        self.create(program, UprobeMultiArgs::path(&c_path, &self.offsets))
    }

    fn create(
        &self,
        program: BorrowedFd<'_>,
        args: UprobeMultiArgs<'_>,
    ) -> bpf_link::Result<RawLink> {
        let args = match &self.ref_ctr_offsets {
            Some(ref_ctr_offsets) => args.ref_ctr_offsets(ref_ctr_offsets)?,
            None => args,
        };
        let args = match &self.cookies {
            Some(cookies) => args.cookies(cookies)?,
            None => args,
        };
        let flags = match self.when {
            When::Return => UprobeMultiFlags::RETURN,
            When::Entry | When::Session => UprobeMultiFlags::empty(),
        };
        let args = args.flags(flags).pid(self.pid.unwrap_or(0));
        RawLink::create(&LinkCreate::new(&program, self.attach_type()).args(args))
    }

    /// What errors call it, whichever way the kernel was given the file.
    fn target(&self) -> Target {
        Target::File {
            path: Some(self.file.path_in_words()),
            offsets: FirstOf::these(self.offsets.iter().copied()),
            process: self.pid,
        }
    }

    fn attach_type(&self) -> AttachType {
        match self.when {
            When::Entry | When::Return => AttachType::TraceUprobeMulti,
            When::Session => AttachType::TraceUprobeSession,
        }
    }
}
