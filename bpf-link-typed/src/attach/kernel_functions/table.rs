//! The kernel's list of symbols in little memory. Any bytes are read, without a panic.

use std::io::{self, BufRead};

use super::lines::each_line;

/// The functions of the kernel and its modules, by address, and where everything else is.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    functions: Vec<Entry>,
    /// The names, one after the other.
    names: Vec<u8>,
    modules: Vec<Vec<u8>>,
    /// Where what is not a function begins, in order.
    others: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// 0 where the kernel hides it.
    address: u64,
    name: u32,
    name_len: u16,
    /// 0 is the kernel itself.
    module: u16,
}

/// A function, as the list has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    /// 0 where the kernel hides it.
    pub(crate) address: u64,
    pub(crate) name: &'a [u8],
    pub(crate) module: Option<&'a [u8]>,
}

impl SymbolTable {
    /// Reads a list: an address, a letter and a name in each line, and in brackets the module.
    pub(crate) fn read(list: impl BufRead) -> io::Result<Self> {
        let mut table = Self::default();
        each_line(list, |words| {
            let _is_symbol = table.add(words);
        })?;
        // Of several names for one place, in the order of the list.
        table.functions.sort_by_key(|entry| entry.address);
        table.others.sort_unstable();
        table.functions.shrink_to_fit();
        table.names.shrink_to_fit();
        Ok(table)
    }

    fn add(&mut self, words: &mut dyn Iterator<Item = &[u8]>) -> Option<()> {
        let address = number(words.next()?)?;
        let is_function = matches!(words.next()?, b"t" | b"T" | b"w" | b"W");
        let name = words.next()?;
        if !is_function {
            if address != 0 {
                self.others.push(address);
            }
            return Some(());
        }
        let entry = Entry {
            address,
            name: self.names.len().try_into().ok()?,
            name_len: name.len().try_into().ok()?,
            module: self.module(words.next().and_then(in_brackets))?,
        };
        self.names.extend_from_slice(name);
        self.functions.push(entry);
        Some(())
    }

    /// The number of a module, one more than its index.
    fn module(&mut self, name: Option<&[u8]>) -> Option<u16> {
        let Some(name) = name else { return Some(0) };
        // The functions of a module are together.
        let known = self.modules.iter().rposition(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.modules.push(name.to_owned());
            self.modules.len() - 1
        });
        u16::try_from(index + 1).ok()
    }

    /// By address.
    pub(crate) fn functions(&self) -> impl ExactSizeIterator<Item = Listed<'_>> {
        self.functions.iter().map(|entry| self.listed(entry))
    }

    fn listed(&self, entry: &Entry) -> Listed<'_> {
        let start = entry.name as usize;
        let name = self.names.get(start..start + usize::from(entry.name_len));
        let module = usize::from(entry.module).checked_sub(1);
        Listed {
            address: entry.address,
            name: name.unwrap_or_default(),
            module: module.and_then(|index| self.modules.get(index).map(Vec::as_slice)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether the kernel hides the addresses.
    pub(crate) fn is_hidden(&self) -> bool {
        self.functions.last().is_some_and(|last| last.address == 0)
    }

    /// The indices of the functions that begin where the last one at or before this address does.
    pub(crate) fn indices_before(&self, address: u64) -> std::ops::Range<usize> {
        let start_of = |entry: &Entry| entry.address;
        let after = self
            .functions
            .partition_point(|entry| entry.address <= address);
        let last = after
            .checked_sub(1)
            .and_then(|last| self.functions.get(last));
        let Some(start) = last.map(start_of).filter(|start| *start != 0) else {
            return 0..0;
        };
        self.functions
            .partition_point(|entry| entry.address < start)..after
    }

    /// The function that has this address in it, and how far after its beginning the address is. Of
    /// several names, the first of the list.
    pub(crate) fn at(&self, address: u64) -> Option<(Listed<'_>, u64)> {
        let entry = self.functions.get(self.indices_before(address).next()?)?;
        let after = self.others.partition_point(|other| *other <= address);
        let other = after.checked_sub(1).and_then(|last| self.others.get(last));
        if other.is_some_and(|other| *other > entry.address) {
            return None;
        }
        let offset = address - entry.address;
        // Without an end, it is not certain that it has more in it than its beginning.
        let is_certain = offset == 0 || self.after(address).is_some();
        is_certain.then(|| (self.listed(entry), offset))
    }

    /// How long what begins at this address is: up to the next symbol, as the kernel reckons it.
    pub(crate) fn size_at(&self, start: u64) -> Option<u64> {
        Some(self.after(start)? - start)
    }

    /// Where the next symbol begins.
    fn after(&self, address: u64) -> Option<u64> {
        let after = self
            .functions
            .partition_point(|entry| entry.address <= address);
        let function = self.functions.get(after).map(|entry| entry.address);
        let after = self.others.partition_point(|other| *other <= address);
        let other = self.others.get(after).copied();
        function.into_iter().chain(other).min()
    }
}

/// Digits as the kernel writes them for an address.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The name of a module.
pub(crate) fn in_brackets(word: &[u8]) -> Option<&[u8]> {
    let name = word.strip_prefix(b"[")?.strip_suffix(b"]")?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &[u8] =
        b"0 A percpu\n10 T vfs_read\n18 t twice\n20 T alias\n20 T __x64_sys_open\n\
        28 d table\n40 t twice\t[module]\n30 T before\n50 D end\n";

    fn table() -> SymbolTable {
        SymbolTable::read(SYMBOLS).expect("it is in memory")
    }

    #[test]
    fn functions_have_names_modules_and_addresses() {
        let table = table();
        let found: Vec<_> = table.functions().collect();
        let listed = |address, name: &'static str, module: Option<&'static str>| Listed {
            address,
            name: name.as_bytes(),
            module: module.map(str::as_bytes),
        };
        let expected = [
            listed(0x10, "vfs_read", None),
            listed(0x18, "twice", None),
            listed(0x20, "alias", None),
            listed(0x20, "__x64_sys_open", None),
            listed(0x30, "before", None),
            listed(0x40, "twice", Some("module")),
        ];
        assert_eq!(found, expected);
        assert!(!table.is_hidden());
        let hidden = SymbolTable::read(&b"0 t one\n0 t other\n"[..]).expect("it is in memory");
        assert!(hidden.is_hidden() && hidden.len() == 2);
        assert!(!SymbolTable::default().is_hidden());
    }

    #[test]
    fn functions_end_where_the_next_symbol_begins() {
        let table = table();
        for (start, size) in [
            (0x10, Some(8)),
            (0x20, Some(8)),
            (0x40, Some(16)),
            (0x50, None),
        ] {
            assert_eq!(table.size_at(start), size, "{start:#x}");
        }
        let at = |address| {
            table
                .at(address)
                .map(|(found, offset)| (found.name, offset))
        };
        assert_eq!(at(0x17), Some((&b"vfs_read"[..], 7)));
        assert_eq!(at(0x20), Some((&b"alias"[..], 0)));
        // Before the first, in what is not a function, and without an end.
        for nowhere in [0, 0xf, 0x2c, 0x50, 0x60] {
            assert_eq!(at(nowhere), None, "{nowhere:#x}");
        }
        let last = SymbolTable::read(&b"10 T last\n"[..]).expect("it is in memory");
        assert!(last.at(0x10).is_some() && last.at(0x11).is_none());
    }

    #[test]
    fn lines_that_are_too_long_are_left_out() {
        let list = format!("10 T {}\n20 T short\n", "x".repeat(1 << 16));
        let table = SymbolTable::read(list.as_bytes()).expect("it is in memory");
        let names: Vec<_> = table.functions().map(|function| function.name).collect();
        assert_eq!(names, [b"short"]);
    }
}
