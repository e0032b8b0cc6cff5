//! A program or library, and what is always true of what is read from it.

use std::fs::File;
use std::io::Write as _;

use bpf_link_typed::{Binary, BinarySymbol, Error};
use rustix::fs::MemfdFlags;

/// Reads it, and panics where something is not as it has to be; returns how many functions it has.
pub(crate) fn check(bytes: &[u8]) -> usize {
    let file = rustix::fs::memfd_create("binary", MemfdFlags::CLOEXEC).expect("there is memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("there is memory");
    let Some(binary) = read(Binary::from_file(file)) else {
        return 0;
    };
    let _ = read(binary.build_id());
    for place in read(binary.usdt_places()).unwrap_or_default() {
        let same = read(binary.usdt(&place.provider, &place.name));
        assert!(same.is_some_and(|same| same.contains(&place)), "{place:?}");
    }
    let _ = read(binary.function("no such function"));
    let functions = read(binary.functions_where(|_| true)).unwrap_or_default();
    assert!(functions.is_sorted_by(|one, next| one.offset < next.offset));
    let offsets: Vec<u64> = functions.iter().map(|function| function.offset).collect();
    let found = read(binary.symbols_at(&offsets)).unwrap_or_default();
    assert!(found.is_empty() || found.len() == offsets.len());
    for function in &functions {
        check_name(&binary, function);
    }
    functions.len()
}

/// What is listed is found by its name as well.
fn check_name(binary: &Binary, function: &BinarySymbol) {
    let name = &function.name;
    // These are read as something else in a name, or have replaced what was there.
    if name.is_empty() || name.contains(['+', '@', char::REPLACEMENT_CHARACTER]) {
        return;
    }
    if let Some(found) = read(binary.functions_named(name)) {
        assert!(found.iter().any(|found| found.offset == function.offset));
        assert!(found.iter().all(|found| found.name == *name), "{found:?}");
    }
    let _ = read(binary.function(name));
}

/// What was read; nothing if the file is refused for what it is.
fn read<T>(result: bpf_link_typed::Result<T>) -> Option<T> {
    match result {
        Ok(read) => Some(read),
        Err(Error::Binary { problem, .. }) => {
            assert!(!problem.to_string().is_empty());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}
