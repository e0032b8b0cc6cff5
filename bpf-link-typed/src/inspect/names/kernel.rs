//! Functions of the kernel by their addresses.

use std::sync::{Arc, Mutex, PoisonError};

use super::note::{NamesOf, Notes};
use crate::attach::kernel_functions::{KernelFunction, KernelFunctions};
use crate::error::Result;

/// A function of the kernel, and how far after its beginning a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelFunctionOffset {
    /// The function.
    pub function: KernelFunction,
    /// In bytes.
    pub offset: u64,
}

impl KernelFunctionOffset {
    /// Whether the place is where a function is entered: at its beginning, or on x86-64 after the
    /// landing pad (endbr64) there.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        is_entry(self.offset)
    }
}

fn is_entry(offset: u64) -> bool {
    const ENDBR64: u64 = 4;
    offset == 0 || cfg!(target_arch = "x86_64") && offset == ENDBR64
}

/// The kernel's list of its functions.
#[derive(Debug, Default)]
pub(super) struct Functions(Mutex<Option<List>>);

/// `None` if it cannot be read.
type List = Option<Arc<KernelFunctions>>;

impl Functions {
    /// The function that this address is in.
    pub(super) fn at(&self, address: u64, notes: &Notes) -> Option<KernelFunctionOffset> {
        let list = {
            let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            list.get_or_insert_with(|| read(KernelFunctions::all(), notes))
                .clone()
        };
        let (function, offset) = list?.function_at(address)?;
        Some(KernelFunctionOffset { function, offset })
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn read(list: Result<KernelFunctions>, notes: &Notes) -> List {
    match list {
        Ok(functions) => {
            if !functions.has_addresses() {
                notes.add_hidden(NamesOf::KernelFunctions);
            }
            Some(Arc::new(functions))
        }
        Err(error) => {
            notes.add(NamesOf::KernelFunctions, error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn functions_are_entered_at_their_beginning_or_after_the_landing_pad() {
        let entries: Vec<u64> = (0..16).filter(|offset| is_entry(*offset)).collect();
        let expected: &[u64] = if cfg!(target_arch = "x86_64") {
            &[0, 4]
        } else {
            &[0]
        };
        assert_eq!(entries, expected);
    }

    #[test]
    fn addresses_are_found_or_noted_as_hidden() {
        // The same list for both: whether addresses are hidden can change at any time.
        let kernel = KernelFunctions::all().expect("it can be read");
        let is_shown = kernel.has_addresses();
        let entry = kernel.functions_where(|function| function.name == "vfs_read");
        let entry = entry.expect("it is there").into_iter().next();
        let address = entry.and_then(|function| function.address.visible());
        assert_eq!(address.is_some(), is_shown);
        let notes = Notes::default();
        let functions = Functions(Mutex::new(Some(read(Ok(kernel), &notes))));
        let found = address.and_then(|address| functions.at(address, &notes));
        assert_eq!(found.map(|found| found.offset), address.map(|_| 0));
        let hidden = notes.all();
        let hidden = hidden.iter().filter(|note| note.error.is_none());
        assert_eq!(hidden.count(), usize::from(!is_shown));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_noted() {
        let notes = Notes::default();
        let error = Error::File {
            path: "/proc/kallsyms".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        assert!(read(Err(error), &notes).is_none());
        let said: Vec<_> = notes.all().iter().map(ToString::to_string).collect();
        let expected = "cannot find the names of some kernel functions: /proc/kallsyms could not";
        assert!(
            said.iter().any(|said| said.starts_with(expected)),
            "{said:?}"
        );
    }
}
