//! The kernel's functions by their addresses.

use bpf_link_typed::{KernelFunction, KernelFunctions, Result};

use crate::failure;
use crate::notes::Notes;

/// The kernel's list of its functions, if it can be read.
pub(super) struct Symbols(Option<KernelFunctions>);

/// A place in a function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) function: KernelFunction,
    /// How many bytes after the beginning of the function the place is.
    pub(crate) offset: u64,
}

impl Symbol {
    /// Whether the place is where a function is entered: at its beginning, or after the landing pad
    /// (endbr64) there.
    pub(crate) fn is_entry(&self) -> bool {
        is_entry(self.offset)
    }
}

fn is_entry(offset: u64) -> bool {
    const ENDBR: u64 = 4;
    offset == 0 || offset == ENDBR
}

impl Symbols {
    pub(super) fn read(notes: &Notes) -> Self {
        Self::of(KernelFunctions::all(), notes)
    }

    fn of(read: Result<KernelFunctions>, notes: &Notes) -> Self {
        const WHAT: &str = "some kernel functions are shown without names";
        match read {
            Ok(functions) => {
                if !functions.has_addresses() {
                    notes.add(
                        WHAT,
                        "the kernel hides them (CAP_SYSLOG is missing, or kernel.kptr_restrict is 2)",
                    );
                }
                Self(Some(functions))
            }
            Err(error) => {
                notes.add(WHAT, failure::line(&error.into()));
                Self(None)
            }
        }
    }

    /// The function that this address is in.
    pub(super) fn at(&self, address: u64) -> Option<Symbol> {
        let (function, offset) = self.0.as_ref()?.function_at(address)?;
        Some(Symbol { function, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_entered_at_their_beginning_or_after_the_landing_pad() {
        let entries: Vec<u64> = (0..16).filter(|offset| is_entry(*offset)).collect();
        assert_eq!(entries, [0, 4]);
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
        let functions = Symbols::of(Ok(kernel), &notes);
        let found = address.and_then(|address| functions.at(address));
        assert_eq!(found.map(|found| found.offset), address.map(|_| 0));
        let said = format!("{notes:?}");
        let hidden = "the kernel hides them (CAP_SYSLOG is missing, or kernel.kptr_restrict is 2)";
        assert_eq!(said.contains(hidden), !is_shown, "{said}");
    }

    #[test]
    fn a_list_that_cannot_be_read_is_noted() {
        let notes = Notes::default();
        let error = bpf_link_typed::Error::File {
            path: "/proc/kallsyms".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        let functions = Symbols::of(Err(error), &notes);
        assert_eq!(functions.at(u64::MAX), None);
        let said = format!("{notes:?}");
        assert!(
            said.contains("/proc/kallsyms could not be read: entity not found"),
            "{said}"
        );
    }
}
