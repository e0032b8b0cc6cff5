//! Hostile input for everything that reads what others have written: nothing panics, and what is
//! read is right.
//!
//! What is always true of what is read is said in `tests/fuzz/src/`, once for the fuzzer, which
//! makes its inputs of bytes, and for these tests, which make them of parts. A file for each.
#![forbid(unsafe_code)]

mod arguments;
mod binary;
mod btf;
mod info;
mod tracefs;

use proptest::prelude::ProptestConfig;
use proptest::sample::Index;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;

/// So many cases; nothing is written down of those that fail but their message.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A file in which some bytes are others, and which is perhaps cut.
fn damaged(mut bytes: Vec<u8>, changes: Vec<(Index, u8)>, len: Option<Index>) -> Vec<u8> {
    for (place, value) in changes {
        let place = place.index(bytes.len());
        bytes.splice(place..=place, [value]);
    }
    if let Some(len) = len {
        bytes.truncate(len.index(bytes.len()));
    }
    bytes
}

/// Some of what a strategy makes, always the same, to see whether that is worth reading.
fn some<S: Strategy>(of: S, count: usize) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    let tree = move |_| of.new_tree(&mut runner).expect("nothing is filtered");
    (0..count).map(tree).map(|tree| tree.current())
}
