//! Small libraries, of either size and order of bytes, with something in every part.

use bpf_link_tests::elf::{
    CODE_ADDRESS, ElfFile, ElfProbe, ElfSymbol, HOT_ADDRESS, SEMAPHORES_ADDRESS,
};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let forms = [(true, false), (true, true), (false, false), (false, true)];
    forms
        .map(|(is_64, is_big)| whole(is_64, is_big).build())
        .into()
}

fn whole(is_64: bool, is_big: bool) -> ElfFile {
    ElfFile {
        is_64,
        is_big,
        machine: if is_64 { 62 } else { 40 },
        has_code: false,
        symbols: vec![
            ElfSymbol::function("init", CODE_ADDRESS).local(),
            ElfSymbol::function("init", HOT_ADDRESS),
            ElfSymbol::function("copy@@V_2", CODE_ADDRESS + 0x10),
        ],
        dynamic: vec![
            ElfSymbol::function("copy", CODE_ADDRESS + 0x10).version(2),
            ElfSymbol::function("malloc", 0),
        ],
        versions: vec!["V_1".to_owned(), "V_2".to_owned()],
        needed: vec!["libc.so.6".to_owned()],
        probes: vec![ElfProbe {
            provider: "app".to_owned(),
            name: "start".to_owned(),
            address: CODE_ADDRESS + 0x20,
            counter: SEMAPHORES_ADDRESS,
            arguments: "-4@%edi".to_owned(),
        }],
        build_id: Some(vec![7; 20]),
        debug_link: Some(("app.debug".to_owned(), 1)),
        ..ElfFile::native()
    }
}
