//! What might be typed after `bpf-links`.

#[path = "../../fuzz/src/arguments.rs"]
mod always;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use bpf_link_tests::lister_words::{COMMANDS, OPTIONS, VALUES};
use proptest::collection::vec;
use proptest::prelude::*;

/// What the arguments are made of: commands, options and values that there are, some that there are
/// not, and no text.
fn argument() -> impl Strategy<Value = OsString> {
    let known = |words: &[&'static str]| prop::sample::select(words.to_vec());
    prop_oneof![
        6 => known(OPTIONS).prop_map(OsString::from),
        6 => known(VALUES).prop_map(OsString::from),
        2 => (known(OPTIONS), known(VALUES)).prop_map(|(option, value)| format!("{option}={value}").into()),
        1 => vec(1_u8.., 0..8).prop_map(OsString::from_vec),
    ]
}

/// A command or none, and what it is given.
fn arguments() -> impl Strategy<Value = Vec<OsString>> {
    let command = prop::sample::select(COMMANDS).prop_map(OsString::from);
    (prop::option::weighted(0.9, command), vec(argument(), 0..5))
        .prop_map(|(command, rest)| command.into_iter().chain(rest).collect())
}

proptest! {
    #![proptest_config(crate::config(2_000))]

    #[test]
    fn arguments_are_understood_or_refused(arguments in arguments()) {
        always::check(&arguments);
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(bytes in vec(any::<u8>(), 0..64)) {
        always::check(&always::from_bytes(&bytes));
    }
}

/// Many are commands, and more are not.
#[test]
fn the_arguments_are_worth_reading() {
    let understood = crate::some(arguments(), 2_000).filter(|one| always::check(one));
    let understood = understood.count();
    assert!((100..1_000).contains(&understood), "{understood}");
}
