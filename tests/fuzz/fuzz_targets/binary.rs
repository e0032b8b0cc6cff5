//! Whatever somebody might have for a program or a library.
#![no_main]

#[path = "../src/binary.rs"]
mod binary;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    binary::check(data);
});
