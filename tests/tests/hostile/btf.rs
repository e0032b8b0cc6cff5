//! Types as a kernel might describe them: whole, cut, changed, or no types at all.

#[path = "../../fuzz/src/btf.rs"]
mod always;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// `BTF_KIND_FUNC`
const FUNCTION: u32 = 12;

/// What is between two NULs, functions and structures of a kernel, nothing, or no text.
fn strings() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        3 => "[a-z_]{1,8}".prop_map(String::into_bytes),
        1 => Just(vec![]),
        1 => vec(1_u8.., 1..4),
    ];
    vec(name, 0..6).prop_map(|names| {
        let mut strings = vec![0];
        for name in names {
            strings.extend(name);
            strings.push(0);
        }
        strings
    })
}

/// A type of any kind that there is, as long as its kind is: the place of its name, its kind, and
/// what follows.
fn a_type() -> impl Strategy<Value = (Index, u32, Vec<u32>)> {
    let kind = prop_oneof![2 => 1..=19_u32, 1 => Just(FUNCTION)];
    (any::<Index>(), kind, 0..4_u32).prop_map(|(name, kind, members)| {
        let more = match kind {
            1 | 14 | 17 => 1,
            3 => 3,
            4 | 5 | 15 | 19 => 3 * members,
            6 | 13 => 2 * members,
            _ => 0,
        };
        let mut words = vec![kind << 24 | members, 4];
        words.extend(std::iter::repeat_n(1, more as usize));
        (name, kind, words)
    })
}

/// A description that is whole, and how many functions in it have a name.
fn description() -> impl Strategy<Value = (Vec<u8>, usize)> {
    (vec(a_type(), 0..12), strings()).prop_map(|(types, strings)| {
        let number = |len: usize| u32::try_from(len).expect("it is short");
        let (mut words, mut functions) = (vec![], 0);
        for (name, kind, rest) in types {
            let place = name.index(strings.len());
            let name = strings.split_at(place).1.split(|byte| *byte == 0).next();
            let name = name.filter(|name| !name.is_empty());
            let is_named = name.is_some_and(|name| std::str::from_utf8(name).is_ok());
            functions += usize::from(kind == FUNCTION && is_named);
            words.push(number(place));
            words.extend(rest);
        }
        let len = number(words.len() * size_of::<u32>());
        let header = [24, 0, len, len, number(strings.len())];
        let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(header.into_iter().chain(words).flat_map(u32::to_ne_bytes));
        bytes.extend(strings);
        (bytes, functions)
    })
}

proptest! {
    #![proptest_config(crate::config(2_000))]

    #[test]
    fn whole_descriptions_are_read((bytes, functions) in description()) {
        assert_eq!(always::check(&bytes), functions);
    }

    #[test]
    fn cut_and_changed_descriptions_are_read(
        (bytes, _) in description(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        len in prop::option::of(any::<Index>()),
    ) {
        always::check(&crate::damaged(bytes, changes, len));
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(bytes in vec(any::<u8>(), 0..128)) {
        always::check(&bytes);
    }
}

/// Many functions have names.
#[test]
fn the_descriptions_are_worth_reading() {
    let functions = crate::some(description(), 2_000).map(|(_, functions)| functions);
    let functions: usize = functions.sum();
    assert!(functions > 1_000, "{functions}");
}
