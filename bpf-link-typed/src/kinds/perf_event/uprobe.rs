//! Places in user-space files.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bpf_link::{FirstOf, PerfEvent, PerfEventConfig, Target};

use crate::attach::file_ref::{FileRef, by_descriptor, is_at, missing_file};
use crate::attach::tracefs::EventSource;
#[cfg(feature = "elf")]
use crate::binary::{Binary, BinaryPlace};
#[cfg(feature = "elf")]
use crate::error::BinaryProblem;
use crate::error::{ENOTSUPP, Error, FilePlaces, Result};

/// A place in a user-space file (uprobe), or the return of a function that begins there
/// (uretprobe).
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct UprobeEvent<'a> {
    pub(super) file: FileRef<'a>,
    pub(super) offset: u64,
    pub(super) ref_ctr_offset: Option<u64>,
    pub(super) pid: Option<u32>,
    pub(super) on_return: bool,
}

impl<'a> UprobeEvent<'a> {
    /// So many bytes after the beginning of the file.
    ///
    /// The kernel takes a path, and reports it as it was given. A file that is open already is
    /// given by its path while that leads to it, otherwise as `/proc/self/fd/N`.
    pub fn at(file: impl Into<FileRef<'a>>, offset: u64) -> Self {
        Self {
            file: file.into(),
            offset,
            ref_ctr_offset: None,
            pid: None,
            on_return: false,
        }
    }

    /// At a function ([`BinarySymbol`](crate::BinarySymbol)) or a place of a USDT probe with its
    /// reference counter ([`UsdtPlace`](crate::UsdtPlace)). It is attached to the file that was
    /// read, even if another one is at its path by now. A cookie of the place is not used: it is
    /// [`PerfEventAttach`](crate::PerfEventAttach) that has one. A reference counter beyond 4 GiB
    /// is refused with [`BinaryProblem::FarCounter`](crate::BinaryProblem::FarCounter).
    #[cfg(feature = "elf")]
    pub fn in_binary(binary: &'a Binary, place: impl Into<BinaryPlace>) -> Self {
        let place = place.into();
        Self {
            ref_ctr_offset: Some(place.ref_ctr_offset),
            ..Self::at(binary, place.offset)
        }
    }

    /// When the function returns.
    pub fn on_return(mut self) -> Self {
        self.on_return = true;
        self
    }

    /// Where in the file the 16-bit reference counter is, which is above 0 while the link is there.
    /// Since Linux 4.20.
    pub fn ref_ctr_offset(mut self, offset: u32) -> Self {
        self.ref_ctr_offset = Some(offset.into());
        self
    }

    /// Only in the process with this id in the caller's PID namespace, in all of its threads; 0 for
    /// the calling process.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let file = match &self.file {
            FileRef::Path(path) => return self.open_by_path(path),
            FileRef::Fd(file) => *file,
        };
        if let Some(path) = path_of(file) {
            let event = self.open_by_path(&path);
            // Nobody has put another file there in the meantime.
            if is_at(file, &path) {
                return event;
            }
        }
        self.open_by_path(&by_descriptor(file))
    }

    fn open_by_path(&self, path: &Path) -> Result<PerfEvent> {
        let c_path = CString::new(path.as_os_str().as_bytes());
        let c_path = c_path.map_err(|_| bpf_link::Error::PathHasNul {
            path: path.to_owned(),
        })?;
        let source = EventSource::find("uprobe", self.target())?;
        let mut config = source.retprobe(self.on_return)?;
        if let Some(offset) = self.ref_ctr_offset.filter(|offset| *offset != 0) {
            #[cfg(feature = "elf")]
            refuse_far_counter(path, offset)?;
            config |= offset << source.first_bit("ref_ctr_offset")?;
        }
        let config = PerfEventConfig::new(source.event_type, config).probe(&c_path, self.offset);
        let config = match self.pid {
            Some(pid) => config.process(pid),
            None => config,
        };
        PerfEvent::open(&config).map_err(|source| {
            let source = source.naming(self.target());
            match source.errno() {
                Some(errno @ libc::ENOENT) => missing_file(path, errno),
                Some(ENOTSUPP) => Error::InstructionNotProbed {
                    places: Box::new(FilePlaces::new(path.to_owned(), &[self.offset])),
                    source,
                },
                _ => source.into(),
            }
        })
    }

    pub(super) fn target(&self) -> Target {
        Target::File {
            path: match &self.file {
                FileRef::Path(path) => Some(path.to_path_buf()),
                FileRef::Fd(file) => path_of(*file),
            },
            offsets: FirstOf::these([self.offset]),
            process: self.pid,
        }
    }
}

/// The event has 32 bits for where the reference counter is.
#[cfg(feature = "elf")]
fn refuse_far_counter(path: &Path, offset: u64) -> Result<()> {
    if u32::try_from(offset).is_ok() {
        return Ok(());
    }
    Err(Error::Binary {
        path: path.to_owned(),
        problem: Box::new(BinaryProblem::FarCounter { offset }),
    })
}

/// Where the file is, if that leads to it here.
fn path_of(file: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = std::fs::read_link(by_descriptor(file)).ok()?;
    is_at(file, &path).then_some(path)
}
