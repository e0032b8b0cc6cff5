//! A table of symbols, and what is always true of what is read from it.

#[path = "../../../bpf-link-typed/examples/bpf-links/resolve/symbols/table.rs"]
mod table;

use table::Symbols;

/// Farther behind a function is none.
const FAR: u64 = 1 << 20;

/// Reads it, and panics where something is not as it has to be.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(symbols) = Symbols::parse(bytes) else {
        assert!(std::str::from_utf8(bytes).is_err(), "{bytes:?}");
        return;
    };
    let text = std::str::from_utf8(bytes).expect("so it was taken to be");
    let functions: Vec<_> = text.lines().filter_map(function).collect();
    assert_eq!(symbols.is_empty(), functions.is_empty());
    for near in functions
        .iter()
        .map(|(address, _)| *address)
        .chain([0, u64::MAX])
    {
        for place in [near, near.wrapping_sub(1), near.wrapping_add(FAR)] {
            check_place(&symbols, &functions, place);
        }
    }
}

/// What is nearest before the place is found there, and under the first of its names.
fn check_place(symbols: &Symbols, functions: &[(u64, &str)], place: u64) {
    let before = functions.iter().filter(|(address, _)| *address <= place);
    let nearest = before.clone().map(|(address, _)| *address).max();
    let nearest = nearest.filter(|address| place - address < FAR);
    let found = symbols.at(place);
    assert_eq!(found.map(|symbol| symbol.address), nearest, "{place:#x}");
    let Some(symbol) = found else { return };
    let name = before
        .clone()
        .find(|(address, _)| *address == symbol.address);
    assert_eq!(Some(symbol.name), name.map(|(_, name)| *name));
    assert_eq!(symbol.address + symbol.offset, place);
    assert_eq!(symbol.is_entry(), matches!(symbol.offset, 0 | 4));
    assert!(symbol.module.is_none_or(|module| !module.is_empty()));
}

/// The address and the name in a line, if it is one of a function that is not hidden.
fn function(line: &str) -> Option<(u64, &str)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [address, "t" | "T" | "w" | "W", name, ..] = words.as_slice() else {
        return None;
    };
    let address = u64::from_str_radix(address, 16).ok()?;
    (address != 0).then_some((address, name))
}
