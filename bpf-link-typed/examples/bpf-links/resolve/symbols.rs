//! The kernel's functions by their addresses.

mod table;

use std::fs::File;
use std::io::BufReader;

use crate::notes::Notes;
pub(crate) use table::{Symbol, Symbols};

const TABLE: &str = "/proc/kallsyms";

/// Reads what the kernel shows of them.
pub(super) fn read(notes: &Notes) -> Symbols {
    const WHAT: &str = "kernel addresses are shown without functions";
    match File::open(TABLE).and_then(|file| Symbols::parse(BufReader::new(file))) {
        Ok(symbols) => {
            if symbols.is_empty() {
                notes.add(
                    WHAT,
                    "the kernel hides them (CAP_SYSLOG is missing, or kernel.kptr_restrict is 2)",
                );
            }
            symbols
        }
        Err(error) => {
            notes.add(WHAT, error);
            Symbols::default()
        }
    }
}
