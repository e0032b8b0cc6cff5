//! Whatever might be typed after `bpf-links`.
#![no_main]

#[path = "../src/arguments.rs"]
mod arguments;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    arguments::check(&arguments::from_bytes(data));
});
