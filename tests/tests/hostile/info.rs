//! Whatever a kernel might say of a link, and more: what is read is never more than what is there.

#[path = "../../fuzz/src/info.rs"]
mod always;

use always::Input;
use bpf_link_typed::KindFacts;
use proptest::collection::vec;
use proptest::prelude::*;

/// The kinds that there are, and some that there are not.
fn kind() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..20_u32, 1 => any::<u32>()]
}

/// A field as kernels write them (small, nothing, a mark) or anything.
fn field() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..9_u32, 2 => Just(0), 1 => Just(u32::MAX), 2 => any::<u32>()]
}

/// A kind, an id, a program, and whatever fields, cut anywhere or longer than this release knows.
fn info() -> impl Strategy<Value = Vec<u8>> {
    (kind(), vec(field(), 23), 0..=96_usize).prop_map(|(kind, fields, len)| {
        let words = std::iter::once(kind).chain(fields);
        words.flat_map(u32::to_ne_bytes).take(len).collect()
    })
}

/// What kernels call things, with and without a NUL, and anything.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        2 => prop::sample::select(vec!["bpf_map_elem\0", "cgroup\0", "task\0", "task_file\0rest", "no NUL"])
            .prop_map(|name| name.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..64),
    ]
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..6)
}

fn input() -> impl Strategy<Value = Input> {
    let arrays = [numbers(), numbers(), numbers(), numbers()];
    (info(), name(), vec(any::<u32>(), 0..6), arrays).prop_map(|(info, name, ids, arrays)| Input {
        info,
        name,
        ids,
        arrays,
    })
}

proptest! {
    #![proptest_config(crate::config(2_000))]

    #[test]
    fn infos_of_every_kind(input in input()) {
        input.check();
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(bytes in vec(any::<u8>(), 0..256)) {
        Input::from_bytes(&bytes).check();
    }
}

/// The inputs are of every kind, and most are not refused.
#[test]
fn the_inputs_are_worth_reading() {
    let (mut kinds, mut read) = (std::collections::BTreeSet::new(), 0);
    for input in crate::some(input(), 2_000) {
        if let Some(info) = bpf_link::LinkInfo::from_bytes(&input.info) {
            kinds.insert(info.kind().as_raw());
            read += 1;
        }
    }
    assert!(read > 1_000, "{read}");
    let missing: Vec<_> = KindFacts::ALL
        .iter()
        .filter(|facts| !kinds.contains(&facts.kind.as_raw()))
        .map(|facts| facts.kind)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
