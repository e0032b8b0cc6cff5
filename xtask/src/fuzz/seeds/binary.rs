//! Small libraries, of either size and order of bytes, with something in every part.

use anyhow::Result;
use bpf_link_tests::elf::{
    CODE_ADDRESS, ElfFile, ElfProbe, ElfSymbol, HOT_ADDRESS, SEMAPHORES_ADDRESS, compressed,
};

pub(super) fn seeds() -> Result<Vec<Vec<u8>>> {
    let forms = [(true, false), (true, true), (false, false), (false, true)];
    let mut seeds = Vec::new();
    for (is_64, is_big) in forms {
        let whole = whole(is_64, is_big);
        seeds.push(whole.build());
        let stripped = ElfFile {
            symbols: Vec::new(),
            debug_data: Some(compressed(&whole.build())?),
            ..whole
        };
        seeds.push(stripped.build());
        for has_gnu_hash in [false, true] {
            let loaded = ElfFile {
                has_sections: false,
                has_gnu_hash,
                ..stripped.clone()
            };
            seeds.push(loaded.build());
        }
    }
    Ok(seeds)
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
