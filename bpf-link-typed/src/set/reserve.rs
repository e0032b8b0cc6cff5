//! Descriptors for undoing, which must not fail for want of them.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Open descriptors that stand for those that undoing needs, until it begins.
pub(super) struct Reserve {
    _files: Vec<File>,
}

impl Reserve {
    /// No step of undoing has as many descriptors open.
    const COUNT: usize = 8;

    /// Of the set's directory, which can be opened.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let files = (0..Self::COUNT).map(|_| File::open(directory));
        match files.collect() {
            Ok(files) => Ok(Self { _files: files }),
            Err(source) => Err(Error::File {
                path: directory.to_owned(),
                source,
            }),
        }
    }
}
