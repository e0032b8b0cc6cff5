//! Whatever a kernel might tell about tracing.
#![no_main]

#[path = "../src/tracefs.rs"]
mod tracefs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracefs::Input::from_bytes(data).check());
