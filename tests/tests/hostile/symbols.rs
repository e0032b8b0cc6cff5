//! What a kernel might have for a table of symbols.

#[path = "../../fuzz/src/symbols.rs"]
mod always;

use proptest::collection::vec;
use proptest::prelude::*;

/// A line as the kernel writes it, of functions that are close to each other, or one that has too
/// little or too much in it.
pub(crate) fn line() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        6 => (0..6_u64).prop_map(|nth| format!("{:016x}", 0xffff_ffff_8100_0000 + nth * 4)),
        1 => Just("0000000000000000".to_owned()),
        1 => any::<u64>().prop_map(|address| format!("{address:x}")),
        1 => "[0-9a-g+]{0,20}",
    ];
    let letter = prop::sample::select(vec!["t", "T", "w", "W", "D", "A", "tt", ""]);
    let module = prop::sample::select(vec!["", "\t[one]", "\t[other]", " []", " [", "\r"]);
    (address, letter, "[a-d_]{0,2}", module)
        .prop_map(|(address, letter, name, module)| format!("{address} {letter} {name}{module}\n"))
}

proptest! {
    #![proptest_config(crate::config(2_000))]

    #[test]
    fn tables_are_read(lines in vec(line(), 0..12)) {
        always::check(lines.concat().as_bytes());
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(bytes in vec(any::<u8>(), 0..128)) {
        always::check(&bytes);
    }
}
