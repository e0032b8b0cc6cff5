//! How those files are to be read. Any text is, without a panic.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// A file that has a number and nothing else.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// The first of the bits in the description of a field: `config:0` or `config:32-63`.
pub(crate) fn first_bit(format: &str) -> Option<u32> {
    let bits = format.trim().strip_prefix("config:")?;
    let first = bits.split('-').next()?.parse().ok()?;
    (first < u64::BITS).then_some(first)
}

/// Which of these symbols the kernel has no function for that it can trace, as these lists have it:
/// of symbols, with an address, a letter and a name in each line, and of functions that can be
/// traced, each with its name in front.
pub(crate) fn unknown<'a>(
    mut symbols: HashSet<&'a [u8]>,
    kallsyms: &[u8],
    functions: Option<&[u8]>,
) -> HashSet<&'a [u8]> {
    let all = || lines(kallsyms).filter_map(|mut words| Some((words.next()?, words.nth(1)?)));
    let Some(functions) = functions else {
        for (_, name) in all() {
            symbols.remove(name);
        }
        return symbols;
    };
    let functions: HashSet<&[u8]> = lines(functions)
        .filter_map(|mut words| words.next())
        .collect();
    symbols.retain(|symbol| !functions.contains(symbol));
    // The list has one name for each function, and some have more. All are at one address, unless
    // that is hidden.
    let mut names: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for (address, name) in all() {
        if symbols.contains(name) {
            names.entry(address).or_default().push(name);
        }
    }
    for (address, name) in all() {
        let is_hidden = address.iter().all(|digit| *digit == b'0');
        if is_hidden || functions.contains(name) {
            for name in names.remove(address).unwrap_or_default() {
                symbols.remove(name);
            }
        }
    }
    symbols
}

/// The words of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    text.split(|byte| *byte == b'\n')
        .map(move |line| line.split(is_space).filter(|word| !word.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_begin_at_a_bit() {
        assert_eq!(first_bit("config:0\n"), Some(0));
        assert_eq!(first_bit("config:32-63\n"), Some(32));
        for wrong in ["", "config:", "config:64", "config1:0", "config:-1"] {
            assert_eq!(first_bit(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unknown_symbols_are_found() {
        const SYMBOLS: &[u8] =
            b"10 T vfs_read\n20 t in_module\t[module]\n30 T one\n30 T other\n40 T notrace\n";
        const HIDDEN: &[u8] = b"00 T vfs_read\n00 T one\n00 T other\n00 T notrace\n";
        const FUNCTIONS: &[u8] = b"vfs_read\nin_module [module]\none\n";
        let find = |kallsyms, functions| {
            let asked: [&[u8]; 5] = [b"vfs_read", b"T", b"other", b"notrace", b"one"];
            let mut found: Vec<_> = unknown(asked.into(), kallsyms, functions)
                .into_iter()
                .map(String::from_utf8_lossy)
                .collect();
            found.sort();
            found.join(" ")
        };
        assert_eq!(find(SYMBOLS, None), "T");
        assert_eq!(find(SYMBOLS, Some(FUNCTIONS)), "T notrace");
        assert_eq!(find(HIDDEN, Some(FUNCTIONS)), "T");
        assert_eq!(find(b"", Some(b"")), "T notrace one other vfs_read");
    }
}
