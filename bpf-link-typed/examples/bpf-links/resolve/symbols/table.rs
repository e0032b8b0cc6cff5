//! The kernel's table of symbols.

use std::io::{self, BufRead};

/// No function is larger: what is farther behind the last one is in none that is known.
const LARGEST: u64 = 1 << 20;

/// All functions of the kernel and its modules, by address.
#[derive(Default)]
pub(crate) struct Symbols {
    functions: Vec<Entry>,
    /// The names, one behind the other.
    names: String,
    modules: Vec<String>,
}

#[derive(Clone, Copy)]
struct Entry {
    address: u64,
    name: u32,
    name_len: u16,
    /// 0 is the kernel itself.
    module: u16,
}

/// A place in a function of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a str,
    /// The module that it is in, if it is in one.
    pub(crate) module: Option<&'a str>,
    /// Where the function is.
    pub(crate) address: u64,
    /// How far behind the start of the function the place is.
    pub(crate) offset: u64,
}

impl Symbol<'_> {
    /// Whether the place is where a function is entered: at its start, or behind the landing mark
    /// of indirect calls there.
    pub(crate) fn is_entry(&self) -> bool {
        const LANDING_MARK: u64 = 4;
        self.offset == 0 || self.offset == LANDING_MARK
    }
}

impl Symbols {
    /// Reads the table: in each line an address, a letter, a name, and of a module's the module in
    /// brackets. A hidden address is 0.
    pub(crate) fn parse(mut table: impl BufRead) -> io::Result<Self> {
        let mut symbols = Self::default();
        let mut line = String::new();
        while table.read_line(&mut line)? != 0 {
            symbols.add(&line);
            line.clear();
        }
        // Of several names for one address the first is kept, as it is in the table.
        symbols.functions.sort_by_key(|entry| entry.address);
        symbols.functions.dedup_by_key(|entry| entry.address);
        symbols.functions.shrink_to_fit();
        Ok(symbols)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let is_function = matches!(words.next()?, "t" | "T" | "w" | "W");
        let name = words.next()?;
        if address == 0 || !is_function {
            return None;
        }
        let module = words.next().unwrap_or_default();
        let module = module.trim_start_matches('[').trim_end_matches(']');
        let entry = Entry {
            address,
            name: self.names.len().try_into().ok()?,
            name_len: name.len().try_into().ok()?,
            module: self.module(module)?,
        };
        self.names.push_str(name);
        self.functions.push(entry);
        Some(())
    }

    /// Whether there is none, as where the kernel hides the addresses.
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The number of a module, one more than its index.
    fn module(&mut self, name: &str) -> Option<u16> {
        if name.is_empty() {
            return Some(0);
        }
        // The functions of a module are together.
        let known = self.modules.iter().rposition(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.modules.push(name.to_owned());
            self.modules.len() - 1
        });
        u16::try_from(index + 1).ok()
    }

    /// The function that this address is in.
    pub(crate) fn at(&self, address: u64) -> Option<Symbol<'_>> {
        let behind = self
            .functions
            .partition_point(|entry| entry.address <= address);
        let entry = self.functions.get(behind.checked_sub(1)?)?;
        let offset = address - entry.address;
        if offset >= LARGEST {
            return None;
        }
        let start = entry.name as usize;
        let module = usize::from(entry.module).checked_sub(1);
        Some(Symbol {
            name: self.names.get(start..start + usize::from(entry.name_len))?,
            module: module.and_then(|index| self.modules.get(index).map(String::as_str)),
            address: entry.address,
            offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        0000000000000000 A fixed\n\
        ffffffff81000020 T second\n\
        ffffffff81000010 T first\n\
        ffffffff81000010 t alias\n\
        ffffffff81000018 D data\n\
        ffffffffc0000000 t inside\t[some_module]\n";

    #[test]
    fn places_are_found() {
        let symbols = Symbols::parse(TABLE.as_bytes()).expect("it is text");
        let at = |address| {
            let symbol = symbols.at(address)?;
            Some((symbol.name, symbol.module, symbol.offset))
        };
        assert_eq!(at(0xffff_ffff_8100_0010), Some(("first", None, 0)));
        assert_eq!(at(0xffff_ffff_8100_001c), Some(("first", None, 12)));
        assert_eq!(at(0xffff_ffff_8100_0024), Some(("second", None, 4)));
        assert_eq!(
            at(0xffff_ffff_c000_0004),
            Some(("inside", Some("some_module"), 4))
        );
        assert_eq!(at(0xffff_ffff_8100_000f), None);
        assert_eq!(at(0xffff_ffff_8200_0000), None);
    }

    #[test]
    fn hidden_places_are_not() {
        let hidden = Symbols::parse("0000000000000000 T first\n".as_bytes()).expect("it is text");
        assert_eq!(hidden.at(0), None);
    }
}
