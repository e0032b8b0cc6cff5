//! What the kernel tells about tracing in files, and what is always true of what is read from it.

#[path = "../../../bpf-link-typed/src/attach/tracefs/text.rs"]
mod text;

#[path = "../../../bpf-link-typed/src/attach/tracefs/symbols.rs"]
mod symbols;

use std::collections::HashSet;
use std::path::Path;

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    /// What is asked for, a symbol in each line.
    pub(crate) asked: Vec<u8>,
    pub(crate) kallsyms: Vec<u8>,
    /// The functions that can be traced, if the kernel shows them.
    pub(crate) functions: Option<Vec<u8>>,
}

impl Input {
    /// Its parts, with a NUL between two. Every input is one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut parts = bytes.splitn(3, |byte| *byte == 0).map(<[u8]>::to_vec);
        Self {
            asked: parts.next().unwrap_or_default(),
            kallsyms: parts.next().unwrap_or_default(),
            functions: parts.next(),
        }
    }

    /// Reads it, and panics where something is not as it has to be.
    pub(crate) fn check(&self) {
        let asked: HashSet<&[u8]> = self.asked.split(|byte| *byte == b'\n').collect();
        let unknown = text::unknown(asked.clone(), &self.kallsyms, self.functions.as_deref());
        for symbol in asked {
            assert_eq!(
                unknown.contains(symbol),
                !self.is_known(symbol),
                "{:?} in {self:?}",
                symbol.escape_ascii().to_string()
            );
        }
        self.check_numbers();
        self.check_places();
    }

    /// Names and addresses lead to each other.
    fn check_places(&self) {
        let functions = || {
            lines(&self.kallsyms).filter_map(|words| {
                let [address, letter, name, ..] = *words else {
                    return None;
                };
                let address = u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()?;
                let is_function = matches!(letter, b"t" | b"T" | b"w" | b"W");
                is_function.then_some((name, address))
            })
        };
        let asked: Vec<&[u8]> = self.asked.split(|byte| *byte == b'\n').collect();
        for (name, places) in symbols::places(&self.kallsyms, &asked) {
            let named = || functions().filter(|(other, _)| *other == name);
            let visible: HashSet<u64> = named().map(|(_, at)| at).filter(|at| *at != 0).collect();
            let hidden = named().filter(|(_, at)| *at == 0).count();
            assert!(places.addresses.iter().all(|at| visible.contains(at)));
            assert_eq!(places.count(), visible.len() + hidden, "{self:?}");
            for start in &places.addresses {
                let end = symbols::size_at(&self.kallsyms, *start).map(|size| start + size);
                let [found] = &*symbols::functions_at(&self.kallsyms, &[*start]) else {
                    panic!("one was asked for");
                };
                // What has no end is not certain.
                assert_eq!(found.is_some(), end.is_some(), "{start:#x} in {self:?}");
                let there = found.is_none_or(|(name, offset)| {
                    offset == 0 && functions().any(|function| function == (name, *start))
                });
                assert!(there, "{start:#x} in {self:?}");
            }
            for instead in symbols::instead_of(&self.kallsyms, name) {
                assert!(instead != name && functions().any(|(other, _)| other == instead));
            }
            if let Some(listed) = &self.functions {
                let named = lines(listed).filter(|words| words.first() == Some(&name));
                assert_eq!(text::count_of(listed, name), named.count());
                assert!(!symbols::is_blacklisted(listed, name) || !name.is_empty());
            }
        }
    }

    /// Whether the symbol can be traced, by looking at every pair of lines.
    fn is_known(&self, symbol: &[u8]) -> bool {
        let places = || lines(&self.kallsyms).filter(|words| words.len() >= 3);
        let mut named = places().filter(|words| words.get(2) == Some(&symbol));
        let Some(functions) = &self.functions else {
            return named.next().is_some();
        };
        let is_listed = |name: &[u8]| lines(functions).any(|words| words.first() == Some(&name));
        is_listed(symbol)
            || named.any(|words| {
                let address = words.first();
                let is_hidden = address.is_some_and(|digits| digits.iter().all(|at| *at == b'0'));
                let mut same = places().filter(|other| other.first() == address);
                is_hidden || same.any(|other| other.get(2).is_some_and(|name| is_listed(name)))
            })
    }

    fn check_numbers(&self) {
        let texts = [&self.asked, &self.kallsyms];
        for text in texts
            .into_iter()
            .filter_map(|text| std::str::from_utf8(text).ok())
        {
            if let Some(number) = text::number::<u64>(text) {
                let digits = text.trim().trim_start_matches(['+', '0']);
                assert!(digits == number.to_string() || number == 0, "{text:?}");
            }
            if let Some(numbers) = text::numbers(text) {
                let is_in_order = numbers.is_sorted_by(|one, next| one < next);
                assert!(is_in_order && numbers.len() <= 100_000, "{text:?}");
                let each: Vec<String> = numbers.iter().map(u32::to_string).collect();
                assert_eq!(text::numbers(&each.join(",")), Some(numbers), "{text:?}");
            }
            let size = text::record_size(text);
            assert!(size.is_none() || text.contains("field:"), "{text:?}");
            let is_part = Path::new(text).components().count() == 1 && !text.contains('/');
            assert!(!text::is_name(text) || is_part, "{text:?}");
            let first = text::first_bit(text);
            assert!(first.is_none_or(|bit| bit < 64 && text.contains("config:")));
        }
    }
}

/// The words of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.map(|line| {
        let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
        words.filter(|word| !word.is_empty()).collect()
    })
}
