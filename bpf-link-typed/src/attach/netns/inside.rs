//! Work in another network namespace.

use std::fs::File;
use std::os::fd::AsFd as _;

use crate::attach::netns::Netns;
use crate::error::{Error, Result};

impl Netns {
    /// Does something in the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Path(path) => {
                let file = File::open(path).map_err(|source| Error::File {
                    path: path.clone(),
                    source,
                })?;
                let target = bpf_link::Target::Netns(path.clone());
                bpf_link::in_netns(&file, work).map_err(|error| error.naming(target))?
            }
            Self::Fd(file) => bpf_link::in_netns(&file.as_fd(), work)?,
        }
    }
}
