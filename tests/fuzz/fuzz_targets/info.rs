//! Whatever a kernel might say of a link.
#![no_main]

#[path = "../src/info.rs"]
mod info;

libfuzzer_sys::fuzz_target!(|data: &[u8]| info::Input::from_bytes(data).check());
