//! What the kernel says of a network device.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use bpf_link::{AttachType, Hook, HookPrograms, Target};

use crate::attach::interface::Interface;
use crate::error::{Error, Result};

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

    /// What errors call it: both its name and its index, where there is such a device.
    pub(crate) fn target(&self) -> Target {
        let name = match self {
            Self::Index(index) => bpf_link::interface_name(*index).ok(),
            Self::Name(name) => CString::new(name.as_bytes()).ok(),
        };
        Target::Interface {
            name,
            index: self.index().ok(),
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
