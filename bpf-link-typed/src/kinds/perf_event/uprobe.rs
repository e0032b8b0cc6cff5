//! Places in user-space files.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bpf_link::{FirstOf, PerfEvent, PerfEventConfig, Target};

use crate::attach::file_ref::missing_file;
use crate::attach::tracefs::EventSource;
use crate::error::{ENOTSUPP, Error, FilePlaces, Result};

/// A place in a user-space file (uprobe), or the return of a function that begins there
/// (uretprobe).
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached yet"]
pub struct UprobeEvent<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) ref_ctr_offset: Option<u32>,
    pub(super) pid: Option<u32>,
    pub(super) on_return: bool,
}

impl<'a> UprobeEvent<'a> {
    /// So many bytes behind the beginning of the file.
    pub fn at(path: &'a (impl AsRef<Path> + ?Sized), offset: u64) -> Self {
        Self {
            path: path.as_ref(),
            offset,
            ref_ctr_offset: None,
            pid: None,
            on_return: false,
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
        self.ref_ctr_offset = Some(offset);
        self
    }

    /// Only in the process with this id in the caller's PID namespace, in all of its threads; 0 for
    /// the calling process.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        let path = CString::new(self.path.as_os_str().as_bytes()).map_err(|_| {
            bpf_link::Error::PathHasNul {
                path: self.path.to_owned(),
            }
        })?;
        let source = EventSource::find("uprobe")?;
        let mut config = source.retprobe(self.on_return)?;
        if let Some(offset) = self.ref_ctr_offset.filter(|offset| *offset != 0) {
            config |= u64::from(offset) << source.first_bit("ref_ctr_offset")?;
        }
        let config = PerfEventConfig::new(source.event_type, config).probe(&path, self.offset);
        let config = match self.pid {
            Some(pid) => config.process(pid),
            None => config,
        };
        PerfEvent::open(&config).map_err(|source| {
            let source = source.naming(self.target());
            match source.errno() {
                Some(errno @ libc::ENOENT) => missing_file(self.path, errno),
                Some(ENOTSUPP) => Error::InstructionNotProbed {
                    places: Box::new(FilePlaces::new(self.path.to_owned(), &[self.offset])),
                    source,
                },
                _ => source.into(),
            }
        })
    }

    pub(super) fn target(&self) -> Target {
        Target::File {
            path: Some(self.path.to_owned()),
            offsets: FirstOf::these([self.offset]),
            process: self.pid,
        }
    }
}
