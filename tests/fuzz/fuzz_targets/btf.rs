//! Whatever a kernel might describe its types as.
#![no_main]

#[path = "../src/btf.rs"]
mod btf;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    btf::check(data);
});
