//! What a kernel might tell about tracing.

#[path = "../../fuzz/src/tracefs.rs"]
mod always;

use always::Input;
use proptest::collection::vec;
use proptest::prelude::*;

/// A line of `kallsyms` as the kernel writes it, of functions that are close to each other, or one
/// that has too little or too much in it.
fn symbol() -> impl Strategy<Value = String> {
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

/// Some of the names that symbols have, and numbers, lists of them and fields.
fn asked() -> impl Strategy<Value = Vec<u8>> {
    let numbers = "(config:)?[+-]?[0-9]{1,20}(-63)?\n?".prop_map(String::into_bytes);
    let lists = "([0-9]{1,2}(-[0-9]{1,5})?,?){1,4}\n?".prop_map(String::into_bytes);
    let symbols = vec("[a-d_]{0,2}", 1..6).prop_map(|names| names.join("\n").into_bytes());
    prop_oneof![1 => numbers, 1 => lists, 3 => symbols]
}

fn input() -> impl Strategy<Value = Input> {
    let kallsyms = vec(symbol(), 0..12).prop_map(|lines| lines.concat().into_bytes());
    let address = (0..26_u64).prop_map(|nth| format!("{:x} ", 0xffff_ffff_8100_0000 + nth));
    let address = prop_oneof![2 => address, 1 => "[0-9a-g]{0,3} ?"];
    let name = prop_oneof![8 => "[a-d_]{0,2}", 1 => "__ftrace_invalid_address___4"];
    let line = (
        prop_oneof![Just(String::new()), address],
        name,
        "( \\[(one|other)\\])?\n",
    );
    let line = line.prop_map(|(address, name, module)| address + &name + &module);
    let functions = prop::option::of(vec(line, 0..8).prop_map(|lines| lines.concat().into_bytes()));
    (asked(), kallsyms, functions).prop_map(|(asked, kallsyms, functions)| Input {
        asked,
        kallsyms,
        functions,
    })
}

proptest! {
    #![proptest_config(crate::config(2_000))]

    #[test]
    fn lists_and_numbers_are_read(input in input()) {
        input.check();
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(bytes in vec(any::<u8>(), 0..128)) {
        Input::from_bytes(&bytes).check();
    }
}
