//! The functions and places that keep a program from being attached, in words.

use std::ffi::{CStr, CString};
use std::fmt;
use std::path::PathBuf;

use bpf_link::ProgramId;

/// The kernel's own, which C libraries do not have.
pub(crate) const ENOTSUPP: i32 = 524;

/// The functions, of those that were asked for, that keep all of them from being traced. All lists
/// are empty if it could not be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntraceableSymbols {
    /// Those that the kernel does not have.
    pub unknown: Vec<CString>,
    /// What there is instead of the unknown ones, for those where there is something.
    pub similar: Vec<SimilarSymbols>,
    /// Those that the kernel has and cannot trace.
    pub untraceable: Vec<CString>,
    /// Those that were given more than once.
    pub duplicate: Vec<CString>,
    /// Whether tracefs was not there to ask which functions can be traced, so that
    /// [`untraceable`](Self::untraceable) is empty.
    pub without_tracefs: bool,
}

/// The functions that the kernel has instead of one that it does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimilarSymbols {
    /// The one that it does not have.
    pub symbol: CString,
    /// As the compiler has renamed it (`name.isra.0`, `name.part.0`, `name.constprop.0`), or the
    /// function of a system call on this processor (`__x64_sys_name`).
    pub found: Vec<CString>,
}

/// A name that several functions of the kernel have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedName {
    /// The name.
    pub name: CString,
    /// Where the functions are. Empty if the kernel hides its addresses from the caller
    /// (`kptr_restrict`).
    pub addresses: Vec<u64>,
}

/// What BTF describes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BtfOf {
    /// The kernel.
    Kernel,
    /// A module of the kernel.
    Module(CString),
    /// A program.
    Program(ProgramId),
}

impl fmt::Display for BtfOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("the kernel"),
            Self::Module(name) => write!(f, "module {}", name.to_string_lossy()),
            Self::Program(id) => write!(f, "program {id}"),
        }
    }
}

/// Places in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePlaces {
    /// The file.
    pub path: PathBuf,
    /// In bytes from its beginning.
    pub offsets: Vec<u64>,
}

impl FilePlaces {
    pub(crate) fn new(path: PathBuf, offsets: &[u64]) -> Self {
        let offsets = offsets.to_vec();
        Self { path, offsets }
    }
}

impl fmt::Display for FilePlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", Offsets(&self.offsets), self.path.display())
    }
}

/// An address that is not where a function begins that can be traced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntraceableAddress {
    /// The address.
    pub address: u64,
    /// The function that it is in, and how many bytes after the beginning of that; `None` if it is
    /// not in a function.
    pub function: Option<(CString, u64)>,
}

impl UntraceableSymbols {
    /// One that the kernel does not have.
    pub(crate) fn unknown(symbol: CString) -> Self {
        Self {
            unknown: vec![symbol],
            ..Self::default()
        }
    }

    /// Whether it is not known of any of the functions what is wrong with it.
    pub(super) fn names_none(&self) -> bool {
        [&self.unknown, &self.untraceable, &self.duplicate]
            .iter()
            .all(|list| list.is_empty())
    }

    /// Why not all is known, if that is so.
    pub(super) fn write_note(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.without_tracefs {
            f.write_str("; tracefs could not be asked which functions can be traced")?;
        }
        Ok(())
    }
}

impl SharedName {
    /// One of functions whose addresses are not known.
    pub(crate) fn hidden(name: CString) -> Self {
        Self {
            name,
            addresses: Vec::new(),
        }
    }
}

impl fmt::Display for UntraceableSymbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (list, problem) in [
            (&self.unknown, "the kernel has no function called"),
            (&self.untraceable, "the kernel cannot trace"),
            (&self.duplicate, "given more than once:"),
        ] {
            if !list.is_empty() {
                let names = NamesBut(list, &self.similar);
                write!(f, "{separator}{problem} {names}")?;
                separator = "; ";
            }
        }
        if separator.is_empty() {
            f.write_str("the kernel cannot trace every one of the functions")?;
        }
        self.write_note(f)
    }
}

/// Names, and after each what the kernel has instead.
pub(super) struct NamesBut<'a>(pub(super) &'a [CString], pub(super) &'a [SimilarSymbols]);

impl fmt::Display for NamesBut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0, |f, name| {
            f.write_str(&CStr::to_string_lossy(name))?;
            match self.1.iter().find(|similar| similar.symbol == *name) {
                Some(similar) => write!(f, " (but {})", Names(&similar.found)),
                None => Ok(()),
            }
        })
    }
}

struct Names<'a>(&'a [CString]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0, |f, name| {
            f.write_str(&CStr::to_string_lossy(name))
        })
    }
}

/// The names that several functions have.
pub(super) struct Shared<'a>(pub(super) &'a [SharedName]);

impl fmt::Display for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for SharedName { name, addresses } in self.0 {
            let name = name.to_string_lossy();
            write!(f, "{separator}several functions are called {name}")?;
            separator = "; ";
            if !addresses.is_empty() {
                write!(f, ", at {}", Offsets(addresses))?;
            }
        }
        Ok(())
    }
}

/// The addresses that no program can be attached to.
pub(super) struct Untraceable<'a>(pub(super) &'a [UntraceableAddress]);

impl fmt::Display for Untraceable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no traceable function begins at ")?;
        list(f, self.0, |f, UntraceableAddress { address, function }| {
            write!(f, "{address:#x}")?;
            match function {
                Some((name, offset)) => write!(f, " ({}+{offset:#x})", name.to_string_lossy()),
                None => Ok(()),
            }
        })
    }
}

/// Offsets or addresses.
pub(super) struct Offsets<'a>(pub(super) &'a [u64]);

impl fmt::Display for Offsets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0, |f, offset| write!(f, "{offset:#x}"))
    }
}

/// The first of them, and how many more there are.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    const SHOWN: usize = 16;
    for (index, item) in all.iter().take(SHOWN).enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        one(f, item)?;
    }
    match all.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbols_are_named() {
        let names = |names: &[&CStr]| names.iter().map(|name| (*name).to_owned()).collect();
        let symbols = UntraceableSymbols {
            unknown: names(&[c"a", c"b"]),
            similar: vec![SimilarSymbols {
                symbol: c"b".to_owned(),
                found: names(&[c"b.part.0"]),
            }],
            untraceable: names(&[c"d"]),
            duplicate: names(&[c"c"]),
            without_tracefs: true,
        };
        assert_eq!(
            symbols.to_string(),
            "the kernel has no function called a, b (but b.part.0); the kernel cannot trace d; \
             given more than once: c; tracefs could not be asked which functions can be traced"
        );
        assert_eq!(
            UntraceableSymbols::default().to_string(),
            "the kernel cannot trace every one of the functions"
        );
    }

    #[test]
    fn shared_names_have_their_addresses() {
        let shared = |addresses| SharedName {
            name: c"twice".to_owned(),
            addresses,
        };
        assert_eq!(
            Shared(&[shared(vec![16, 32]), shared(vec![])]).to_string(),
            "several functions are called twice, at 0x10, 0x20; several functions are called twice"
        );
    }

    #[test]
    fn many_addresses_are_cut_short() {
        let addresses: Vec<UntraceableAddress> = (1..=18)
            .map(|address| UntraceableAddress {
                address,
                function: (address == 1).then(|| (c"f".to_owned(), 1)),
            })
            .collect();
        let words = Untraceable(&addresses).to_string();
        assert!(words.starts_with("no traceable function begins at 0x1 (f+0x1), 0x2, "));
        assert!(words.ends_with(", 0x10 and 2 more"));
    }
}
