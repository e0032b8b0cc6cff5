//! Why names may be missing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// Names that may be missing, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NameNote {
    /// Which names.
    pub about: NamesOf,
    /// Why. If several were refused, this is the first refusal. `None` if the kernel hides what the
    /// names are looked up by: [`NamesOf::KernelFunctions`].
    pub error: Option<Arc<Error>>,
}

/// What has names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NamesOf {
    /// Programs.
    Programs,
    /// Programs whose names the kernel has cut: their names may end after 15 bytes.
    LongPrograms,
    /// Maps.
    Maps,
    /// Network devices.
    Devices,
    /// Cgroups.
    Cgroups,
    /// Functions of the kernel, by their addresses. The kernel shows addresses only to those with
    /// `CAP_SYSLOG`, and to nobody if `kernel.kptr_restrict` is 2.
    KernelFunctions,
    /// Functions of the kernel, of modules and of programs, by their types.
    BtfFunctions,
    /// Functions of programs and libraries, by their offsets. Needs the feature `elf`.
    BinaryFunctions,
}

/// Writes what it is about, and why.
impl fmt::Display for NameNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.about)?;
        match &self.error {
            Some(error) => write!(f, "{error}"),
            None => f.write_str("the kernel hides their addresses"),
        }
    }
}

impl fmt::Display for NamesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Programs => "cannot read the names of some programs",
            Self::LongPrograms => "cannot read the whole names of some programs",
            Self::Maps => "cannot read the names of some maps",
            Self::Devices => "cannot find the names of some network devices",
            Self::Cgroups => "cannot find the paths of some cgroups",
            Self::KernelFunctions => "cannot find the names of some kernel functions",
            Self::BtfFunctions => "cannot read the names of some functions",
            Self::BinaryFunctions => "cannot read the symbols of some files",
        })
    }
}

/// Collects notes: for each sort of names the first.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Vec<NameNote>>);

impl Notes {
    pub(super) fn add(&self, about: NamesOf, error: impl Into<Error>) {
        self.add_once(about, || Some(Arc::new(error.into())));
    }

    pub(super) fn add_shared(&self, about: NamesOf, error: &Arc<Error>) {
        self.add_once(about, || Some(Arc::clone(error)));
    }

    pub(super) fn add_hidden(&self, about: NamesOf) {
        self.add_once(about, || None);
    }

    fn add_once(&self, about: NamesOf, error: impl FnOnce() -> Option<Arc<Error>>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.iter().any(|note| note.about == about) {
            let error = error();
            notes.push(NameNote { about, error });
        }
    }

    pub(super) fn all(&self) -> Vec<NameNote> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clone()
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_of_a_sort_is_kept() {
        let notes = Notes::default();
        let refused = |path: &str| Error::File {
            path: path.into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        notes.add(NamesOf::Cgroups, refused("/first"));
        notes.add(NamesOf::Cgroups, refused("/second"));
        notes.add_hidden(NamesOf::KernelFunctions);
        let said: Vec<_> = notes.all().iter().map(ToString::to_string).collect();
        let [cgroups, functions] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert!(cgroups.contains("/first"), "{cgroups}");
        assert!(functions.ends_with("the kernel hides their addresses"));
    }
}
