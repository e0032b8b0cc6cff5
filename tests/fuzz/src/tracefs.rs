//! What the kernel tells about tracing in files, and what is always true of what is read from it.

#[path = "../../../bpf-link-typed/src/attach/tracefs/text.rs"]
mod text;

#[path = "../../../bpf-link-typed/src/attach/kernel_functions/lines.rs"]
mod lines;

#[path = "../../../bpf-link-typed/src/attach/kernel_functions/renamed.rs"]
mod renamed;

#[path = "../../../bpf-link-typed/src/attach/kernel_functions/table.rs"]
mod table;

#[path = "../../../bpf-link-typed/src/attach/kernel_functions/traceable.rs"]
mod traceable;

use std::path::Path;

use table::{Listed, SymbolTable};
use traceable::{Format, Traceable};

/// Farther than functions are long.
const FAR: u64 = 1 << 20;

/// Longer lines are left out.
const LONGEST: usize = 4095;

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
        self.check_numbers();
        let table = SymbolTable::read(&*self.kallsyms).expect("it is in memory");
        self.check_table(&table);
        if let Some(list) = &self.functions {
            check_addresses(&table, list);
            check_names(&table, list);
        }
    }

    /// It has the functions of the list, and names and addresses lead to each other.
    fn check_table(&self, table: &SymbolTable) {
        let mut functions = Vec::new();
        let mut starts = Vec::new();
        for words in lines(&self.kallsyms) {
            let [address, letter, name, ref rest @ ..] = *words else {
                continue;
            };
            let Some(address) = number(address) else {
                continue;
            };
            starts.push(address);
            if matches!(letter, b"t" | b"T" | b"w" | b"W") {
                let module = rest.first().and_then(|word| in_brackets(word));
                functions.push(Listed {
                    address,
                    name,
                    module,
                });
            }
        }
        functions.sort_by_key(|function| function.address);
        assert_eq!(table.len(), functions.len(), "{self:?}");
        assert!(table.functions().eq(functions.iter().copied()), "{self:?}");
        let is_hidden = functions.iter().all(|function| function.address == 0);
        assert_eq!(table.is_hidden(), !functions.is_empty() && is_hidden);
        for near in starts.iter().copied().chain([0, u64::MAX]) {
            for offset in [0, 1, 4, FAR, u64::MAX] {
                check_place(table, &functions, &starts, near.wrapping_add(offset));
            }
        }
        for name in self.asked.split(|byte| *byte == b'\n') {
            let names = || functions.iter().map(|function| function.name);
            for instead in renamed::instead_of(names(), name) {
                assert!(instead != name && names().any(|other| other == instead));
            }
        }
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

/// A place belongs to the last symbol that starts at or before it and ends where the next symbol
/// starts. If that symbol is a function, it is found under the first of its names. If nothing
/// follows a symbol, only its start is certain.
fn check_place(table: &SymbolTable, functions: &[Listed<'_>], starts: &[u64], place: u64) {
    // Hidden addresses match nothing.
    let visible = || starts.iter().copied().filter(|start| *start != 0);
    let next = visible().filter(|start| *start > place).min();
    assert_eq!(table.size_at(place), next.map(|next| next - place));
    let last = visible().filter(|start| *start <= place).max();
    let function = last.and_then(|last| functions.iter().find(|one| one.address == last));
    let expected = function
        .map(|function| (*function, place - function.address))
        .filter(|(_, offset)| *offset == 0 || next.is_some());
    assert_eq!(table.at(place), expected, "{place:#x}");
}

/// Those can be traced that begin where the last one does before an address of the list.
fn check_addresses(table: &SymbolTable, list: &[u8]) {
    let marks = traceable::marks(table, list, Format::Addresses).expect("it is in memory");
    assert_eq!(marks.len(), table.len());
    if table.is_hidden() {
        return;
    }
    let starts = || table.functions().map(|function| function.address);
    let begins = |words: Vec<&[u8]>| {
        let [address, name, ..] = *words else {
            return None;
        };
        let address = number(address).filter(|_| is_valid(name))?;
        starts().filter(|start| *start <= address).max()
    };
    let traceable: Vec<u64> = lines(list).filter_map(begins).collect();
    for (start, mark) in starts().zip(marks) {
        let is_there = start != 0 && traceable.contains(&start);
        assert_eq!(mark == Traceable::Yes, is_there, "{start:#x} in {list:?}");
    }
}

/// Those can be traced whose name and module the list has as often as there are such functions, or
/// that are where such a function is.
fn check_names(table: &SymbolTable, list: &[u8]) {
    let marks = traceable::marks(table, list, Format::Names).expect("it is in memory");
    let listed = |function: &Listed<'_>| {
        let is_it = |words: Vec<&[u8]>| {
            let name = words.first().filter(|name| is_valid(name));
            let module = words.get(1).and_then(|word| in_brackets(word));
            name == Some(&function.name) && module == function.module
        };
        let is_same =
            |other: &Listed<'_>| (other.name, other.module) == (function.name, function.module);
        let listed = lines(list).filter(|words| is_it(words.clone())).count();
        let there = table.functions().filter(is_same).count();
        (listed > 0, listed >= there)
    };
    for (function, mark) in table.functions().zip(marks) {
        let is_alias = |other: &Listed<'_>| other.address == function.address && other.address != 0;
        let all = || table.functions().filter(is_alias).chain([function]);
        let expected = if all().any(|other| listed(&other) == (true, true)) {
            Traceable::Yes
        } else if all().any(|other| listed(&other).0) {
            Traceable::Unclear
        } else {
            Traceable::No
        };
        assert_eq!(mark, expected, "{function:?} in {list:?}");
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn in_brackets(word: &[u8]) -> Option<&[u8]> {
    let name = word.strip_prefix(b"[")?.strip_suffix(b"]")?;
    (!name.is_empty()).then_some(name)
}

fn is_valid(name: &[u8]) -> bool {
    !name.starts_with(b"__ftrace_invalid_address__")
}

/// The words of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| line.len() <= LONGEST);
    lines.map(|line| {
        let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
        words.filter(|word| !word.is_empty()).collect()
    })
}
