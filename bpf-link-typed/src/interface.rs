//! Network devices, by index or by name.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use bpf_link::{AttachType, Hook, HookPrograms};

use crate::error::{Error, Result};

/// A network device in the network namespace of the thread that attaches to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interface {
    /// By its index.
    Index(u32),
    /// By its name, which is looked up whenever a program is attached.
    Name(OsString),
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Interface {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<&OsStr> for Interface {
    fn from(name: &OsStr) -> Self {
        Self::Name(name.into())
    }
}

/// Writes the name, or the index.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "{}", name.to_string_lossy()),
        }
    }
}

impl Interface {
    /// Its index, as it is now.
    pub(crate) fn index(&self) -> Result<u32> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::Name(name) => {
                let found = match CString::new(name.as_bytes()) {
                    Ok(name) => bpf_link::interface_index(&name),
                    Err(_) => Err(bpf_link::Error::PathHasNul { path: name.into() }),
                };
                found.map_err(|source| {
                    let is_missing = match &source {
                        bpf_link::Error::PathHasNul { .. } => true,
                        source => matches!(source.errno(), Some(libc::ENODEV | libc::ENXIO)),
                    };
                    if is_missing {
                        self.missing(source)
                    } else {
                        source.into()
                    }
                })
            }
        }
    }

    /// Whether it is certain that the device is not there.
    pub(crate) fn is_missing(&self) -> bool {
        let answer = self.index().map(bpf_link::interface_name);
        match answer {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => matches!(error.errno(), Some(libc::ENODEV | libc::ENXIO)),
            Err(error) => matches!(error, Error::NoSuchInterface { .. }),
        }
    }

    /// Asks which programs this hook of it has.
    pub(crate) fn query(&self, attach_type: AttachType) -> Result<HookPrograms> {
        match Hook::of_device(attach_type, self.index()?).query() {
            Ok(programs) => Ok(programs),
            Err(source) if source.errno() == Some(libc::ENODEV) => Err(self.missing(source)),
            Err(source) => Err(source.into()),
        }
    }

    /// The error that it is not there.
    pub(crate) fn missing(&self, source: bpf_link::Error) -> Error {
        Error::NoSuchInterface {
            interface: self.clone(),
            source,
        }
    }
}
