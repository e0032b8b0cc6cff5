//! What the kernel's lists say of functions that a probe was refused on.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::lines::each_line;
use super::renamed;
use super::{KernelFunctions, Traceable};
use crate::error::{SharedName, SimilarSymbols, UntraceableAddress, UntraceableSymbols};

/// How the kernel says that it keeps probes off a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidden {
    ByBlacklist,
    NotTraceable,
}

impl KernelFunctions {
    /// The functions with this name.
    pub(crate) fn with_name(&self, name: &CStr) -> SharedName {
        let named = self.by_name(|function| function.name == name.to_bytes());
        let first = named.into_iter().next();
        first.map_or_else(|| SharedName::hidden(name.to_owned()), |(named, _)| named)
    }

    /// The names that several functions have, of those that can be traced as far as tracefs tells.
    pub(crate) fn sharing(mut self, names: &[&CStr], tracefs: Option<&Path>) -> Vec<SharedName> {
        let found = self.shared_among(names);
        if !found.is_empty() && self.mark(tracefs).is_ok() {
            return self.shared_among(names);
        }
        found
    }

    /// The names that several functions have.
    pub(crate) fn shared_among(&self, names: &[&CStr]) -> Vec<SharedName> {
        let names: HashSet<&[u8]> = names.iter().map(|name| name.to_bytes()).collect();
        self.shared(|function| names.contains(function.name))
    }

    /// How long the function with this name is; `None` if that is not certain.
    pub(crate) fn size_of(&self, name: &CStr) -> Option<u64> {
        match &*self.by_name(|function| function.name == name.to_bytes()) {
            [(named, 1)] => self.table.size_at(*named.addresses.first()?),
            _ => None,
        }
    }

    /// The function that has this address in it, and how far after its beginning the address is.
    pub(crate) fn at(&self, address: u64) -> Option<(CString, u64)> {
        let (function, offset) = self.table.at(address)?;
        Some((CString::new(function.name).ok()?, offset))
    }

    /// Whether the kernel keeps probes off the function, and says so: in the list of those that are
    /// not to be probed, or by leaving it out of the list of those that can be traced.
    pub(crate) fn forbids(mut self, function: &CStr, tracefs: Option<&Path>) -> Option<Forbidden> {
        let name = function.to_bytes();
        if is_blacklisted(name) {
            return Some(Forbidden::ByBlacklist);
        }
        self.mark(tracefs).ok()?;
        let named = self.marked().filter(|(function, _)| function.name == name);
        // Where addresses are hidden, it may be in the list under another of its names.
        let is_known = self.table.is_hidden() || { named }.any(|(_, mark)| mark != Traceable::No);
        (!is_known).then_some(Forbidden::NotTraceable)
    }

    /// Which of these functions keep the kernel from tracing all of them.
    pub(crate) fn untraceable(
        mut self,
        wanted: &[&CStr],
        tracefs: Option<&Path>,
    ) -> UntraceableSymbols {
        let (once, duplicate) = once_and_again(wanted);
        let without_tracefs = self.mark(tracefs).is_err();
        let (mut unknown, mut untraceable) = (once.clone(), once);
        for (function, mark) in self.marked() {
            unknown.remove(function.name);
            if mark != Traceable::No || self.table.is_hidden() {
                untraceable.remove(function.name);
            }
        }
        untraceable.retain(|name| !unknown.contains(name));
        let unknown = each_once(wanted, unknown);
        UntraceableSymbols {
            similar: self.similar(&unknown),
            unknown,
            untraceable: each_once(wanted, untraceable),
            duplicate,
            without_tracefs,
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
            let found = self.instead_of(symbol.to_bytes()).into_iter();
            SimilarSymbols {
                symbol: symbol.clone(),
                found: found.filter_map(|name| CString::new(name).ok()).collect(),
            }
        });
        similar
            .filter(|similar| !similar.found.is_empty())
            .collect()
    }

    /// The functions that there are instead of one that there is not.
    pub(super) fn instead_of(&self, name: &[u8]) -> Vec<&[u8]> {
        renamed::instead_of(self.table.functions().map(|function| function.name), name)
    }

    /// Those of the addresses that are not where a function begins that can be traced.
    pub(crate) fn untraceable_addresses(
        mut self,
        addresses: &[u64],
        tracefs: Option<&Path>,
    ) -> Vec<UntraceableAddress> {
        // Without the list, all can as far as is known.
        let _is_known = self.mark(tracefs);
        let marks = self.traceable.as_deref();
        let is_right = |address: u64| {
            let start = self.table.indices_before(address).start;
            let mark = marks.and_then(|marks| marks.get(start));
            let found = self.table.at(address);
            found.is_some_and(|(_, offset)| offset == 0) && mark != Some(&Traceable::No)
        };
        let wrong = addresses.iter().filter(|address| !is_right(**address));
        let place = |address: &u64| UntraceableAddress {
            address: *address,
            function: self.at(*address),
        };
        wrong.map(place).collect()
    }
}

/// Whether the kernel's list of functions that are not to be probed has this one: two addresses and
/// a name in each line.
fn is_blacklisted(name: &[u8]) -> bool {
    const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";
    let Ok(list) = File::open(BLACKLIST) else {
        return false;
    };
    let mut found = false;
    let read = each_line(BufReader::new(list), |words| {
        found |= words.nth(1) == Some(name);
    });
    read.is_ok() && found
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
