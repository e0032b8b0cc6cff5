//! What the kernel says of a network device.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use bpf_link::{Command, CommandError, Target};

use crate::attach::interface::Interface;
use crate::error::{Error, Result};

impl Interface {
    /// Does something with the device in the network namespace that it is in.
    pub(crate) fn inside<T: Send>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send,
    ) -> Result<T> {
        match self {
            Self::In(netns, device) => netns.inside(|| work(device)),
            device => work(device),
        }
    }

    /// Its index, as it is now. A refusal is as the kernel gave it: [`refused`](Self::refused) adds
    /// the device.
    pub(crate) fn index(&self) -> Result<u32> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::Name(name) => Ok(match CString::new(name.as_bytes()) {
                Ok(name) => bpf_link::interface_index(&name),
                Err(_) => Err(bpf_link::Error::PathHasNul { path: name.into() }),
            }?),
            Self::In(netns, device) => netns.inside(|| device.index()),
        }
    }

    /// What errors call it: both its name and its index, where there is such a device.
    pub(crate) fn target(&self) -> Target {
        let name = match self {
            Self::Index(index) => bpf_link::interface_name(*index).ok(),
            Self::Name(name) => CString::new(name.as_bytes()).ok(),
            Self::In(netns, device) => {
                let target = netns.inside(|| Ok(device.target()));
                return netns.target_of(target.unwrap_or_else(|_| device.as_given()));
            }
        };
        Target::Interface {
            name,
            index: self.index().ok(),
        }
    }

    /// Whether it is certain that the device is not there.
    pub(crate) fn is_missing(&self) -> bool {
        let name = self.inside(|device| Ok(bpf_link::interface_name(device.index()?)?));
        matches!(name, Err(Error::Link(error)) if is_missing(&error))
    }

    /// A refusal of something that was asked of it.
    pub(crate) fn refused(&self, error: Error) -> Error {
        match error {
            Error::Link(source) if is_missing(&source) => self.missing(source),
            Error::Link(source) => source.naming(self.target()).into(),
            error => error,
        }
    }

    /// What errors call it where it cannot be looked up.
    fn as_given(&self) -> Target {
        match self {
            Self::Index(index) => Target::Interface {
                name: None,
                index: Some(*index),
            },
            Self::Name(name) => Target::Interface {
                name: CString::new(name.as_bytes()).ok(),
                index: None,
            },
            Self::In(_, device) => device.as_given(),
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

fn is_missing(error: &bpf_link::Error) -> bool {
    match error {
        bpf_link::Error::PathHasNul { .. } => true,
        error => match error.errno() {
            Some(libc::ENODEV) => true,
            // A query says so of a device that has no such hook.
            Some(libc::ENXIO) => {
                error.command_error().map(CommandError::command) != Some(Command::ProgQuery)
            }
            _ => false,
        },
    }
}
