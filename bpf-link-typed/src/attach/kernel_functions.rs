//! What the kernel's lists say of functions that a probe was to be put on.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::path::Path;

use crate::attach::tracefs::symbols::{self, Places};
use crate::attach::tracefs::{self, text};
use crate::error::{SharedName, SimilarSymbols, UntraceableAddress, UntraceableSymbols};

/// The kernel's symbols, as they were when this was made.
pub(crate) struct KernelFunctions {
    kallsyms: Vec<u8>,
}

impl KernelFunctions {
    /// `None` where they cannot be read.
    pub(crate) fn read() -> Option<Self> {
        let kallsyms = std::fs::read("/proc/kallsyms").ok()?;
        Some(Self { kallsyms })
    }

    /// The functions with this name.
    pub(crate) fn with_name(&self, name: &CStr) -> SharedName {
        shared(name.to_bytes(), self.places(name))
    }

    /// The names that several functions have, of those that can be traced as far as tracefs tells.
    pub(crate) fn ambiguous(&self, names: &[&CStr], tracefs: Option<&Path>) -> Vec<SharedName> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.to_bytes()).collect();
        let mut found = symbols::places(&self.kallsyms, &names);
        found.retain(|(_, places)| places.count() > 1);
        if found.is_empty() {
            return Vec::new();
        }
        if let Some(functions) = traceable(tracefs) {
            found.retain(|(name, _)| text::count_of(&functions, name) > 1);
        }
        let found = found.into_iter();
        found.map(|(name, places)| shared(name, places)).collect()
    }

    /// How long the function with this name is; `None` if that is not certain.
    pub(crate) fn size_of(&self, name: &CStr) -> Option<u64> {
        let places = self.places(name);
        match (&*places.addresses, places.hidden) {
            ([start], 0) => symbols::size_at(&self.kallsyms, *start),
            _ => None,
        }
    }

    fn places(&self, name: &CStr) -> Places {
        let found = symbols::places(&self.kallsyms, &[name.to_bytes()]);
        found.into_iter().next().unwrap_or_default().1
    }

    /// The function that has this address in it, and how far after its beginning the address is.
    pub(crate) fn at(&self, address: u64) -> Option<(CString, u64)> {
        let found = symbols::functions_at(&self.kallsyms, &[address]);
        let (name, offset) = found.into_iter().next()??;
        Some((CString::new(name).ok()?, offset))
    }

    /// Whether the kernel keeps probes off the function, and says so: in the list of those that are
    /// not to be probed, or by leaving it out of the list of those that can be traced.
    pub(crate) fn forbids(&self, function: &CStr, tracefs: Option<&Path>) -> Option<Forbidden> {
        const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";
        let name = function.to_bytes();
        let blacklist = std::fs::read(BLACKLIST).unwrap_or_default();
        if symbols::is_blacklisted(&blacklist, name) {
            return Some(Forbidden::ByBlacklist);
        }
        let functions = traceable(tracefs)?;
        let unknown = text::unknown(HashSet::from([name]), &self.kallsyms, Some(&functions));
        (!unknown.is_empty()).then_some(Forbidden::NotTraceable)
    }

    /// Which of these functions keep the kernel from tracing all of them.
    pub(crate) fn untraceable(
        &self,
        wanted: &[&CStr],
        tracefs: Option<&Path>,
    ) -> UntraceableSymbols {
        let (once, duplicate) = once_and_again(wanted);
        let functions = traceable(tracefs);
        let mut unknown = text::unknown(once.clone(), &self.kallsyms, None);
        let mut untraceable = HashSet::new();
        if let Some(functions) = &functions {
            untraceable = text::unknown(once, &self.kallsyms, Some(functions));
            unknown.retain(|name| untraceable.contains(name));
            untraceable.retain(|name| !unknown.contains(name));
        }
        let unknown = each_once(wanted, unknown);
        UntraceableSymbols {
            similar: self.similar(&unknown),
            unknown,
            untraceable: each_once(wanted, untraceable),
            duplicate,
            without_tracefs: functions.is_none(),
        }
    }

    /// What there is instead of this function, which there is not.
    pub(crate) fn unknown(&self, name: &CStr) -> UntraceableSymbols {
        let mut symbols = UntraceableSymbols::unknown(name.to_owned());
        symbols.similar = self.similar(&symbols.unknown);
        symbols
    }

    fn similar(&self, unknown: &[CString]) -> Vec<SimilarSymbols> {
        let similar = unknown.iter().map(|symbol| {
            let found = symbols::instead_of(&self.kallsyms, symbol.to_bytes()).into_iter();
            SimilarSymbols {
                symbol: symbol.clone(),
                found: found.filter_map(|name| CString::new(name).ok()).collect(),
            }
        });
        similar
            .filter(|similar| !similar.found.is_empty())
            .collect()
    }

    /// Those of the addresses that are not where a function begins that can be traced.
    pub(crate) fn untraceable_addresses(
        &self,
        addresses: &[u64],
        tracefs: Option<&Path>,
    ) -> Vec<UntraceableAddress> {
        let found = symbols::functions_at(&self.kallsyms, addresses);
        let names = found.iter().flatten().map(|(name, _)| *name).collect();
        let unknown = match traceable(tracefs) {
            Some(functions) => text::unknown(names, &self.kallsyms, Some(&functions)),
            None => HashSet::new(),
        };
        let at = addresses.iter().zip(found);
        let wrong = at.filter(|(_, found)| {
            !found.is_some_and(|(name, offset)| offset == 0 && !unknown.contains(name))
        });
        let place = |(address, found): (&u64, Option<(&[u8], u64)>)| UntraceableAddress {
            address: *address,
            function: found.and_then(|(name, offset)| Some((CString::new(name).ok()?, offset))),
        };
        wrong.map(place).collect()
    }
}

/// How the kernel says that it keeps probes off a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidden {
    ByBlacklist,
    NotTraceable,
}

/// The functions that the kernel can trace, each with its name in front; `None` where tracefs is
/// not there, or does not tell.
fn traceable(tracefs: Option<&Path>) -> Option<Vec<u8>> {
    let path = tracefs::file(tracefs, "available_filter_functions").ok()?;
    std::fs::read(path).ok()
}

fn shared(name: &[u8], places: Places) -> SharedName {
    SharedName {
        name: CString::new(name).unwrap_or_default(),
        addresses: places.addresses,
    }
}

/// Each of the names, and those that are there more than once.
fn once_and_again<'a>(names: &[&'a CStr]) -> (HashSet<&'a [u8]>, Vec<CString>) {
    let mut once = HashSet::new();
    let mut again = Vec::new();
    for name in names {
        if !once.insert(name.to_bytes()) && !again.contains(&CString::from(*name)) {
            again.push((*name).to_owned());
        }
    }
    (once, again)
}

/// The symbols that are among these names, in their order.
fn each_once(symbols: &[&CStr], mut names: HashSet<&[u8]>) -> Vec<CString> {
    let symbols = symbols.iter().copied();
    let found = symbols.filter(|symbol| names.remove(symbol.to_bytes()));
    found.map(CStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found() {
        let (_, again) = once_and_again(&[c"b", c"a", c"b", c"b", c"a"]);
        assert_eq!(again, [c"b".to_owned(), c"a".to_owned()]);
    }

    #[test]
    fn a_name_that_is_given_twice_is_listed_once() {
        let unknown = HashSet::from([&b"x"[..], b"y"]);
        let found = each_once(&[c"x", c"known", c"y", c"x"], unknown);
        assert_eq!(found, [c"x".to_owned(), c"y".to_owned()]);
    }
}
