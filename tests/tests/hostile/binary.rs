//! Programs and libraries: whole, cut, changed, or something else.

#[path = "../../fuzz/src/binary.rs"]
mod always;

use allocation_counter::measure;
use bpf_link_tests::elf::{
    CODE_ADDRESS, ElfFile, ElfProbe, ElfSymbol, HOT_ADDRESS, SEMAPHORES_ADDRESS, compressed,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What may be in memory at once, in bytes: what `.gnu_debugdata` is unpacked to is limited, and
/// twice as much as it grows, with what the decoder has.
const MOST: u64 = 256 << 20;
/// The same without such a section.
const MOST_WITHOUT_DEBUG_DATA: u64 = 4 << 20;

/// Reads the file with no more memory than this.
fn check(bytes: &[u8], most: u64) -> usize {
    let mut functions = 0;
    let used = measure(|| functions = always::check(bytes));
    assert!(used.bytes_max < most, "{} bytes at once", used.bytes_max);
    functions
}

/// A symbol, mostly of a function that is there.
fn symbol() -> impl Strategy<Value = ElfSymbol> {
    let address = prop_oneof![
        4 => (0..8_u64).prop_map(|nth| CODE_ADDRESS + nth * 8),
        4 => (0..8_u64).prop_map(|nth| HOT_ADDRESS + nth * 8),
        1 => Just(0),
        1 => any::<u32>().prop_map(u64::from),
    ];
    let kind = prop_oneof![6 => Just(2_u8), 1 => 0..11_u8];
    let name = select(vec![
        "a", "b", "ab", "a@V_1", "a@@V_2", "b+1", "", "ba", "\u{e9}",
    ]);
    let version = select(vec![0_u16, 1, 2, 3, 0x8002, 0x7fff]);
    (name, address, kind, 0..3_u8, version).prop_map(|(name, address, kind, binding, version)| {
        let mut symbol = ElfSymbol::function(name, address)
            .kind(kind)
            .version(version);
        symbol.binding = binding;
        symbol
    })
}

fn probe() -> impl Strategy<Value = ElfProbe> {
    let address = (0..4_u64).prop_map(|nth| CODE_ADDRESS + nth * 0x800);
    let counter = select(vec![0, SEMAPHORES_ADDRESS, 0xffff_0000]);
    (address, counter, "[a-b]{0,2}").prop_map(|(address, counter, name)| ElfProbe {
        provider: "app".to_owned(),
        name,
        address,
        counter,
        arguments: "-4@%edi".to_owned(),
    })
}

/// The contents of `.gnu_debugdata`: an ELF file, whole or damaged, or something else.
fn debug_data() -> impl Strategy<Value = Vec<u8>> {
    let symbols = vec(symbol(), 1..6);
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let len = prop::option::weighted(0.1, any::<Index>());
    let file = (symbols, any::<bool>(), changes, len);
    let file = file.prop_map(|(symbols, is_64, changes, len)| {
        let file = ElfFile {
            is_64,
            has_code: false,
            symbols,
            ..ElfFile::native()
        };
        let file = crate::damaged(file.build(), changes, len);
        compressed(&file).expect("there is memory")
    });
    prop_oneof![3 => file, 1 => vec(any::<u8>(), 0..64)]
}

fn file() -> impl Strategy<Value = ElfFile> {
    let form = (any::<bool>(), any::<bool>(), select(vec![62_u16, 40, 8]));
    let parts = (vec(symbol(), 0..6), vec(symbol(), 0..6), vec(probe(), 0..3));
    let build_id = prop::option::of(vec(any::<u8>(), 0..24));
    let debug_data = prop::option::of(debug_data());
    // Most files have section headers; exported symbols are found with and without.
    let tables = (prop::bool::weighted(0.7), any::<bool>());
    let file = (form, parts, build_id, debug_data, tables);
    file.prop_map(|(form, parts, build_id, debug_data, tables)| {
        let (is_64, is_big, machine) = form;
        let (symbols, dynamic, probes) = parts;
        let (has_sections, has_gnu_hash) = tables;
        ElfFile {
            is_64,
            is_big,
            machine,
            has_code: false,
            has_sections,
            has_gnu_hash,
            symbols,
            dynamic,
            probes,
            build_id,
            versions: vec!["V_1".to_owned(), "V_2".to_owned()],
            needed: vec!["libc.so.6".to_owned()],
            debug_link: Some(("no such file".to_owned(), 1)),
            debug_data,
            ..ElfFile::native()
        }
    })
}

proptest! {
    #![proptest_config(crate::config(1_000))]

    #[test]
    fn whole_files_are_read(file in file()) {
        check(&file.build(), MOST);
    }

    #[test]
    fn cut_and_changed_files_are_read(
        file in file(),
        changes in vec((any::<Index>(), any::<u8>()), 0..6),
        len in prop::option::of(any::<Index>()),
    ) {
        check(&crate::damaged(file.build(), changes, len), MOST);
    }

    #[test]
    fn bytes_as_the_fuzzer_has_them(mut bytes in vec(any::<u8>(), 0..256)) {
        check(&bytes, MOST_WITHOUT_DEBUG_DATA);
        bytes.splice(..0, *b"\x7fELF\x02\x01\x01\0");
        check(&bytes, MOST_WITHOUT_DEBUG_DATA);
    }
}

/// Damage to the dynamic loader's tables.
#[test]
fn changed_tags_are_read() {
    let whole = ElfFile {
        has_code: false,
        has_sections: false,
        dynamic: vec![
            ElfSymbol::function("a", CODE_ADDRESS).version(2),
            ElfSymbol::function("b", HOT_ADDRESS),
        ],
        versions: vec!["V_1".to_owned()],
        needed: vec!["libc.so.6".to_owned()],
        ..ElfFile::native()
    };
    for has_gnu_hash in [false, true] {
        let whole = ElfFile {
            has_gnu_hash,
            ..whole.clone()
        };
        let whole = whole.build();
        assert_eq!(check(&whole, MOST_WITHOUT_DEBUG_DATA), 2);
        // All that follows the headers is of that sort.
        for place in (0x200..whole.len()).step_by(4) {
            for number in [0_u32, 1, 0x7fff_ffff, u32::MAX] {
                let mut changed = whole.clone();
                let end = (place + 4).min(whole.len());
                changed.splice(place..end, number.to_ne_bytes());
                check(&changed, MOST_WITHOUT_DEBUG_DATA);
            }
        }
    }
}

/// Many files have functions.
#[test]
fn the_files_are_worth_reading() {
    let functions = crate::some(file(), 500).map(|file| always::check(&file.build()));
    let functions: usize = functions.sum();
    assert!(functions > 1_000, "{functions}");
}
