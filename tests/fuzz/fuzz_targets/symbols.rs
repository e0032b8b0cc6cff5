//! Whatever a kernel might have for a table of symbols.
#![no_main]

#[path = "../src/symbols.rs"]
mod symbols;

libfuzzer_sys::fuzz_target!(|data: &[u8]| symbols::check(data));
