//! Which functions can be traced, as the kernel's list of those has it. Any bytes are read, without
//! a panic.

use std::collections::HashMap;
use std::io::{self, BufRead};

use super::lines::each_line;
use super::table::{Listed, SymbolTable, in_brackets, number};

/// Whether a function can be traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traceable {
    No,
    Yes,
    /// Some of the functions with this name can be, and the list does not say which.
    Unclear,
}

/// What the list has in each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A name, and the module in brackets (`available_filter_functions`).
    Names,
    /// An address in front of that, which is in the function, near its beginning
    /// (`available_filter_functions_addrs`, since Linux 6.5).
    Addresses,
}

/// For each function of the table, whether it can be traced.
pub(crate) fn marks(
    table: &SymbolTable,
    list: impl BufRead,
    format: Format,
) -> io::Result<Vec<Traceable>> {
    if format == Format::Addresses && !table.is_hidden() {
        return by_address(table, list);
    }
    let listed = count_names(list, format)?;
    let mut there: HashMap<Name<'_>, usize> = HashMap::new();
    for function in table.functions() {
        *there.entry(Name::of(&function)).or_default() += 1;
    }
    let mark = |function: Listed<'_>| {
        let name = Name::of(&function);
        let listed = listed.get(&name.to_key()).copied().unwrap_or_default();
        match there.get(&name) {
            _ if listed == 0 => Traceable::No,
            Some(there) if listed < *there => Traceable::Unclear,
            _ => Traceable::Yes,
        }
    };
    let mut marks: Vec<Traceable> = table.functions().map(mark).collect();
    if !table.is_hidden() {
        share_with_aliases(table, &mut marks);
    }
    Ok(marks)
}

fn by_address(table: &SymbolTable, list: impl BufRead) -> io::Result<Vec<Traceable>> {
    let mut marks = vec![Traceable::No; table.len()];
    each_line(list, |words| {
        let address = words.next().and_then(number);
        let (Some(address), Some(_)) = (address, words.next().filter(|name| is_valid(name))) else {
            return;
        };
        for mark in marks
            .get_mut(table.indices_before(address))
            .unwrap_or_default()
        {
            *mark = Traceable::Yes;
        }
    })?;
    Ok(marks)
}

/// The list has one name for each function, and some have more.
fn share_with_aliases(table: &SymbolTable, marks: &mut [Traceable]) {
    let addresses: Vec<u64> = table.functions().map(|function| function.address).collect();
    let mut rest = marks;
    for same in addresses.chunk_by(|one, other| one == other && *one != 0) {
        let (here, after) = rest.split_at_mut(same.len());
        let best = [Traceable::Yes, Traceable::Unclear];
        if let Some(best) = best.into_iter().find(|mark| here.contains(mark)) {
            here.fill(best);
        }
        rest = after;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name<'a> {
    name: &'a [u8],
    module: Option<&'a [u8]>,
}

impl<'a> Name<'a> {
    fn of(function: &Listed<'a>) -> Self {
        let Listed { name, module, .. } = *function;
        Self { name, module }
    }

    /// There is no space in either.
    fn to_key(self) -> Vec<u8> {
        [self.name, b" ", self.module.unwrap_or_default()].concat()
    }
}

/// How often the list has each name.
fn count_names(list: impl BufRead, format: Format) -> io::Result<HashMap<Vec<u8>, usize>> {
    let mut listed = HashMap::new();
    each_line(list, |words| {
        if format == Format::Addresses {
            words.next();
        }
        if let Some(name) = words.next().filter(|name| is_valid(name)) {
            let module = words.next().and_then(in_brackets);
            *listed.entry(Name { name, module }.to_key()).or_default() += 1;
        }
    })?;
    Ok(listed)
}

/// The kernel lists what was left of a function that another has replaced when it was linked.
fn is_valid(name: &[u8]) -> bool {
    !name.starts_with(b"__ftrace_invalid_address__")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Traceable::{No, Unclear, Yes};

    const SYMBOLS: &[u8] = b"10 T vfs_read\n20 t twice\n30 T one\n30 T other\n40 T notrace\n\
        50 t twice\n60 t mine\t[module]\n70 t mine\t[other]\n80 T weak\n90 d end\n";
    const HIDDEN: &[u8] = b"0 T vfs_read\n0 t twice\n0 T one\n0 T other\n0 t twice\n";

    fn of(symbols: &[u8], list: &[u8], format: Format) -> Vec<Traceable> {
        let table = SymbolTable::read(symbols).expect("it is in memory");
        marks(&table, list, format).expect("it is in memory")
    }

    #[test]
    fn addresses_tell_functions_of_one_name_apart() {
        const LIST: &[u8] = b"14 vfs_read\n30 other\n50 twice\n64 mine [module]\n\
            84 __ftrace_invalid_address___4\n";
        assert_eq!(
            of(SYMBOLS, LIST, Format::Addresses),
            [Yes, No, Yes, Yes, No, Yes, Yes, No, No]
        );
    }

    #[test]
    fn names_tell_what_they_can() {
        const LIST: &[u8] = b"vfs_read\nother\ntwice\nmine [module]\n";
        assert_eq!(
            of(SYMBOLS, LIST, Format::Names),
            [Yes, Unclear, Yes, Yes, No, Unclear, Yes, No, No]
        );
        let both = of(SYMBOLS, b"twice\ntwice\n", Format::Names);
        assert_eq!((both.get(1), both.get(5)), (Some(&Yes), Some(&Yes)));
    }

    #[test]
    fn hidden_functions_are_told_by_their_names() {
        for (list, format) in [
            (&b"vfs_read\ntwice\nother\n"[..], Format::Names),
            (b"14 vfs_read\n24 twice\n34 other\n", Format::Addresses),
        ] {
            assert_eq!(of(HIDDEN, list, format), [Yes, Unclear, No, Yes, Unclear]);
        }
    }
}
