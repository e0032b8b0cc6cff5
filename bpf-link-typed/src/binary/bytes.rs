//! The bytes of a binary, read with `pread(2)`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{BinaryProblem, Error, Result};

/// No more than this is read at once.
pub(super) const CHUNK: usize = 256 << 10;

/// A regular file, or what was compressed into one.
///
/// It is never mapped: if another process cut a mapped file short, reading it would kill this one.
#[derive(Debug)]
pub(super) struct FileBytes {
    file: Arc<File>,
    path: PathBuf,
    len: u64,
    /// What is read instead of the file that it was in.
    unpacked: Option<Vec<u8>>,
}

/// A part of the file that is in it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Region {
    /// So many bytes of it.
    pub(super) fn first(self, len: u64) -> Option<Self> {
        (len <= self.len).then_some(Self { len, ..self })
    }

    /// What follows so many bytes of it.
    pub(super) fn after(self, len: u64) -> Option<Self> {
        Some(Self {
            len: self.len.checked_sub(len)?,
            offset: self.offset.checked_add(len)?,
        })
    }
}

impl FileBytes {
    /// An open file, and what errors call it.
    pub(super) fn new(file: File, path: PathBuf) -> Result<Self> {
        let metadata = file.metadata().map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
        let bytes = Self {
            file: Arc::new(file),
            path,
            len: metadata.len(),
            unpacked: None,
        };
        if metadata.is_file() {
            Ok(bytes)
        } else {
            Err(bytes.problem(BinaryProblem::NotElf))
        }
    }

    /// What was compressed into this file.
    #[cfg(feature = "elf-xz")]
    pub(super) fn with_unpacked(&self, unpacked: Vec<u8>) -> Self {
        Self {
            file: Arc::clone(&self.file),
            path: self.path.clone(),
            len: unpacked.len() as u64,
            unpacked: Some(unpacked),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn problem(&self, problem: BinaryProblem) -> Error {
        Error::Binary {
            path: self.path.clone(),
            problem: Box::new(problem),
        }
    }

    pub(super) fn malformed(&self, what: &'static str) -> Error {
        self.problem(BinaryProblem::Malformed { what })
    }

    pub(super) fn too_large(&self, what: &'static str) -> Error {
        self.problem(BinaryProblem::TooLarge { what })
    }

    /// So many bytes from there on; an error if the file has fewer.
    pub(super) fn region(&self, offset: u64, len: u64, what: &'static str) -> Result<Region> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(Region { offset, len }),
            _ => Err(self.malformed(what)),
        }
    }

    /// Reads a region that is at most so long.
    pub(super) fn read(&self, region: Region, most: usize, what: &'static str) -> Result<Vec<u8>> {
        let len = usize::try_from(region.len).unwrap_or(usize::MAX);
        if len > most {
            return Err(self.too_large(what));
        }
        let mut bytes = vec![0; len];
        self.read_into(region.offset, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn read_into(&self, offset: u64, to: &mut [u8]) -> Result<()> {
        if let Some(unpacked) = &self.unpacked {
            let from = usize::try_from(offset).ok();
            let from = from.and_then(|from| unpacked.get(from..)?.get(..to.len()));
            to.copy_from_slice(from.ok_or_else(|| self.malformed("what is compressed into it"))?);
            return Ok(());
        }
        self.file.read_exact_at(to, offset).map_err(|source| {
            if source.kind() == io::ErrorKind::UnexpectedEof {
                return self.malformed("it has become shorter");
            }
            Error::File {
                path: self.path.clone(),
                source,
            }
        })
    }

    /// Hands over the region piece by piece, each of whole entries of this size, but for the end.
    pub(super) fn in_pieces(
        &self,
        region: Region,
        entry: usize,
        mut visit: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let whole = CHUNK - CHUNK % entry.clamp(1, CHUNK);
        let most = usize::try_from(region.len).map_or(whole, |len| len.min(whole));
        let mut piece = vec![0; most];
        let mut done = 0;
        while done < region.len {
            let rest = usize::try_from(region.len - done).unwrap_or(usize::MAX);
            let Some(piece) = piece.get_mut(..rest.min(most)) else {
                break;
            };
            self.read_into(region.offset.saturating_add(done), piece)?;
            visit(piece)?;
            done += piece.len() as u64;
        }
        Ok(())
    }
}

/// Reads what the file begins with, and returns how much that is.
pub(super) fn read_start(bytes: &FileBytes, to: &mut [u8]) -> Result<usize> {
    let len = usize::try_from(bytes.len).map_or(to.len(), |len| len.min(to.len()));
    if let Some(to) = to.get_mut(..len) {
        bytes.read_into(0, to)?;
    }
    Ok(len)
}

impl AsFd for FileBytes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
