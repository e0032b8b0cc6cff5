//! What names mean, and what is said of those that mean nothing.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT_ADDRESS, SHARED};
use bpf_link_typed::{Binary, BinaryProblem, SymbolBinding};

use super::{Made, ensure_missing, problem};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(several_of_one_name),
    test!(weak_and_hidden),
    test!(several_names_of_one_place),
    test!(versions),
    test!(of_another_library),
    test!(not_there),
    test!(not_functions),
    test!(places_in_functions),
    test!(each_size_and_order),
    test!(stripped),
    test!(debug_files),
    test!(no_binaries),
    test!(cut_short_after_it_was_opened),
    test!(addresses),
];

fn several_of_one_name(sandbox: &Sandbox) -> Result<()> {
    let local = |address| ElfSymbol::function("init", address).local();
    let both = vec![
        local(CODE_ADDRESS),
        ElfSymbol::function("init", CODE_ADDRESS + 0x10),
        local(CODE_ADDRESS + 0x20),
        local(CODE_ADDRESS + 0x30).weak(),
    ];
    let [first, _, third, _] = both.as_slice() else {
        anyhow::bail!("there are four");
    };
    let locals = vec![first.clone(), third.clone()];
    let file = |symbols| ElfFile {
        symbols,
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "both", &file(both.clone()))?;
    let one = made.binary.function("init")?;
    ensure!(one.offset == CODE + 0x10 && one.binding == SymbolBinding::Global);
    let all = made.binary.functions_named("init")?;
    let offsets: Vec<u64> = all.iter().map(|symbol| symbol.offset).collect();
    ensure!(offsets == [CODE, CODE + 0x10, CODE + 0x20, CODE + 0x30]);

    let made = Made::new(sandbox, "locals", &file(locals))?;
    let refused = problem(made.binary.function("init"), &made.path)?;
    let expected = BinaryProblem::Ambiguous {
        name: "init".to_owned(),
        offsets: vec![CODE, CODE + 0x20],
    };
    ensure!(refused == expected, "{refused:?}");
    Ok(())
}

/// A function that other files get by its name comes first; alone, each other one is found as well.
fn weak_and_hidden(sandbox: &Sandbox) -> Result<()> {
    let function = |address| ElfSymbol::function("init", address);
    let hidden = function(CODE_ADDRESS).hidden();
    let weak = function(CODE_ADDRESS + 0x10).weak();
    let hidden_and_weak = function(CODE_ADDRESS + 0x20).weak().hidden();
    let global = function(CODE_ADDRESS + 0x30);
    for (symbols, offset, binding) in [
        (vec![&hidden], CODE, SymbolBinding::Global),
        (vec![&weak], CODE + 0x10, SymbolBinding::Weak),
        (vec![&hidden_and_weak], CODE + 0x20, SymbolBinding::Weak),
        (vec![&weak, &global], CODE + 0x30, SymbolBinding::Global),
        (vec![&global, &weak], CODE + 0x30, SymbolBinding::Global),
    ] {
        let file = ElfFile {
            symbols: symbols.into_iter().cloned().collect(),
            ..ElfFile::native()
        };
        let made = Made::new(sandbox, "bindings", &file)?;
        let found = made.binary.function("init")?;
        ensure!(
            (found.offset, found.binding) == (offset, binding),
            "{found:?}"
        );
        let listed = made.binary.functions_matching("in*")?;
        ensure!(listed.contains(&found), "{listed:?}");
    }
    Ok(())
}

/// Each place is listed once, by the name that other files use, and in order.
fn several_names_of_one_place(sandbox: &Sandbox) -> Result<()> {
    let function = ElfSymbol::function;
    let exported = vec![
        function("warm", HOT_ADDRESS),
        function("weak_twice", CODE_ADDRESS).weak(),
        function("twice", CODE_ADDRESS),
        function("weak_again", CODE_ADDRESS).weak(),
    ];
    let local = function("local_twice", CODE_ADDRESS).local();
    let file = ElfFile {
        // Linkers write what is exported into both tables.
        symbols: [vec![local], exported.clone()].concat(),
        dynamic: exported,
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "aliases", &file)?;
    for (pattern, expected) in [
        ("*", &["twice", "warm"][..]),
        ("*twice", &["twice"]),
        ("*_*", &["weak_twice"]),
        ("local*", &["local_twice"]),
    ] {
        let found = made.binary.functions_matching(pattern)?;
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        ensure!(names == expected, "{pattern}: {found:?}");
        let same = made
            .binary
            .functions_where(|one| expected.contains(&one.name.as_str()))?;
        ensure!(same == found, "{pattern}: {same:?}");
    }
    Ok(())
}

fn versions(sandbox: &Sandbox) -> Result<()> {
    let copy = |address, version| ElfSymbol::function("copy", address).version(version);
    let file = ElfFile {
        dynamic: vec![
            copy(CODE_ADDRESS, 0x8002),
            copy(CODE_ADDRESS + 0x10, 3),
            ElfSymbol::function("only_old", CODE_ADDRESS + 0x20).version(0x8002),
        ],
        versions: vec!["LIB_1".to_owned(), "LIB_2.1".to_owned()],
        // As linkers write versions there.
        symbols: vec![
            ElfSymbol::function("copy@LIB_1", CODE_ADDRESS),
            ElfSymbol::function("copy@@LIB_2.1", CODE_ADDRESS + 0x10),
            ElfSymbol::function("only_old@LIB_1", CODE_ADDRESS + 0x20),
        ],
        ..ElfFile::native()
    };
    let stripped = ElfFile {
        symbols: vec![],
        ..file.clone()
    };
    for (name, file) in [("versions", file), ("stripped", stripped)] {
        let made = Made::new(sandbox, name, &file)?;
        for (function, offset) in [
            ("copy", CODE + 0x10),
            ("copy@LIB_1", CODE),
            ("copy@LIB_2.1", CODE + 0x10),
            ("copy@@LIB_2.1", CODE + 0x10),
            ("copy@LIB_1+0x4", CODE + 4),
            ("only_old", CODE + 0x20),
        ] {
            let found = made.binary.function(function)?;
            ensure!(found.offset == offset, "{function}: {found:?}");
        }
        let found = made.binary.functions_named("copy")?;
        let found: Vec<_> = found
            .iter()
            .map(|symbol| (symbol.version.as_deref(), symbol.is_old_version))
            .collect();
        ensure!(
            found == [(Some("LIB_1"), true), (Some("LIB_2.1"), false)],
            "{found:?}"
        );
        let refused = problem(made.binary.function("copy@LIB_3"), &made.path)?;
        let (BinaryProblem::NoSuchSymbol { similar, .. } | BinaryProblem::Stripped { similar, .. }) =
            refused
        else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(
            similar.iter().any(|name| name == "copy@LIB_2.1"),
            "{similar:?}"
        );
    }
    Ok(())
}

fn of_another_library(sandbox: &Sandbox) -> Result<()> {
    let file = ElfFile {
        dynamic: vec![
            ElfSymbol::function("malloc", 0),
            ElfSymbol::function("main", CODE_ADDRESS),
        ],
        needed: vec!["libc.so.6".to_owned(), "libm.so.6".to_owned()],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "importing", &file)?;
    let refused = problem(made.binary.function("malloc"), &made.path)?;
    let expected = BinaryProblem::Imported {
        name: "malloc".to_owned(),
        libraries: file.needed,
    };
    ensure!(refused == expected, "{refused:?}");
    ensure!(made.binary.functions_matching("*")?.len() == 1);
    Ok(())
}

fn not_there(sandbox: &Sandbox) -> Result<()> {
    let file = ElfFile {
        symbols: vec![
            ElfSymbol::function("handle_request", CODE_ADDRESS),
            ElfSymbol::function("handle_reply", CODE_ADDRESS + 0x10),
        ],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "near", &file)?;
    ensure_missing(&made, "handle_requst", "handle_request", false)?;
    let refused = problem(made.binary.functions_matching("SSL_*"), &made.path)?;
    ensure!(matches!(
        refused,
        BinaryProblem::NothingMatches {
            is_stripped: false,
            ..
        }
    ));
    ensure!(made.binary.functions_where(|_| false)?.is_empty());
    ensure!(made.binary.functions_named("no_such")?.is_empty());
    ensure!(made.binary.functions_named("")?.is_empty());
    Ok(())
}

fn not_functions(sandbox: &Sandbox) -> Result<()> {
    const OBJECT: u8 = 1;
    const NOTHING: u8 = 0;
    const INDIRECT: u8 = 10;
    let file = ElfFile {
        symbols: vec![
            ElfSymbol::function("table", CODE_ADDRESS).kind(OBJECT),
            ElfSymbol::function("assembly", CODE_ADDRESS + 0x10).kind(NOTHING),
            ElfSymbol::function("memcpy", CODE_ADDRESS + 0x20).kind(INDIRECT),
            ElfSymbol::function("nowhere", 0xdead_0000),
        ],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "kinds", &file)?;
    for name in ["table", "nowhere"] {
        let refused = problem(made.binary.function(name), &made.path)?;
        ensure!(
            matches!(refused, BinaryProblem::NotAFunction { .. }),
            "{refused:?}"
        );
    }
    ensure!(made.binary.function("assembly")?.offset == CODE + 0x10);
    let refused = problem(made.binary.function("memcpy"), &made.path)?;
    let expected = BinaryProblem::Indirect {
        name: "memcpy".to_owned(),
        resolver: CODE + 0x20,
    };
    ensure!(refused == expected, "{refused:?}");
    let named = made.binary.functions_named("memcpy")?;
    ensure!(named.len() == 1 && named.iter().all(|symbol| symbol.is_indirect));
    ensure!(made.binary.functions_where(|_| true)?.is_empty());
    Ok(())
}

fn places_in_functions(sandbox: &Sandbox) -> Result<()> {
    let file = ElfFile {
        symbols: vec![ElfSymbol::function("main", HOT_ADDRESS)],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "places", &file)?;
    let begin = made.binary.function("main")?.offset;
    ensure!(made.binary.function("main+0xf")?.offset == begin + 15);
    let refused = problem(made.binary.function("main+16"), &made.path)?;
    ensure!(matches!(
        refused,
        BinaryProblem::BeyondFunction {
            offset: 16,
            size: 16,
            ..
        }
    ));
    let file = ElfFile {
        symbols: vec![ElfSymbol {
            size: 0,
            ..ElfSymbol::function("endless", HOT_ADDRESS)
        }],
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "endless", &file)?;
    ensure!(made.binary.function("endless+0xfff")?.offset == begin + 0xfff);
    let refused = problem(made.binary.function("endless+0x1000"), &made.path)?;
    let address = HOT_ADDRESS + 0x1000;
    ensure!(refused == BinaryProblem::NoSuchAddress { address });
    Ok(())
}

fn each_size_and_order(sandbox: &Sandbox) -> Result<()> {
    for (is_64, is_big, machine) in [
        (false, false, 40),
        (false, true, 8),
        (true, false, 62),
        (true, true, 22),
    ] {
        let file = ElfFile {
            is_64,
            is_big,
            machine,
            // The instructions of an ARM or MIPS function may be marked by an odd address.
            symbols: vec![ElfSymbol::function("main", HOT_ADDRESS + u64::from(!is_64))],
            dynamic: vec![ElfSymbol::function("new", HOT_ADDRESS + 0x20).version(2)],
            versions: vec!["V_1".to_owned()],
            file_type: SHARED,
            ..ElfFile::native()
        };
        let path = sandbox.directory().join("form");
        std::fs::write(&path, file.build())?;
        let binary = Binary::open(&path)?;
        let begin = binary.offset_of(HOT_ADDRESS)?;
        ensure!(binary.function("main")?.offset == begin, "{file:?}");
        let new = binary.function("new@V_1")?;
        ensure!(new.offset == begin + 0x20 && new.version.as_deref() == Some("V_1"));
    }
    Ok(())
}

fn stripped(sandbox: &Sandbox) -> Result<()> {
    let file = ElfFile {
        dynamic: vec![ElfSymbol::function("exported", CODE_ADDRESS)],
        build_id: Some(vec![0xab; 20]),
        ..ElfFile::native()
    };
    let made = Made::new(sandbox, "stripped", &file)?;
    ensure!(made.binary.function("exported")?.offset == CODE);
    ensure!(made.binary.build_id()?.as_deref() == Some(&[0xab; 20][..]));
    let refused = problem(made.binary.function("internal"), &made.path)?;
    ensure!(
        matches!(refused, BinaryProblem::Stripped { .. }),
        "{refused:?}"
    );
    let refused = problem(made.binary.functions_matching("int*"), &made.path)?;
    ensure!(matches!(
        refused,
        BinaryProblem::NothingMatches {
            is_stripped: true,
            ..
        }
    ));
    Ok(())
}

fn debug_files(sandbox: &Sandbox) -> Result<()> {
    let id = vec![0x5e; 20];
    let symbols = vec![ElfSymbol::function("internal", HOT_ADDRESS + 0x10).local()];
    let debug = ElfFile {
        symbols: symbols.clone(),
        build_id: Some(id.clone()),
        ..ElfFile::native()
    };
    let by_id = ElfFile {
        build_id: Some(id),
        ..ElfFile::native()
    };
    let root = sandbox.directory().join("root");
    let ids = root.join("usr/lib/debug/.build-id/5e");
    std::fs::create_dir_all(&ids)?;
    std::fs::create_dir_all(root.join("bin/.debug"))?;
    std::fs::write(ids.join("5e".repeat(19) + ".debug"), debug.build())?;
    std::fs::write(root.join("bin/by_id"), by_id.build())?;
    let found = Binary::open_in(&root, "/bin/by_id")?.function("internal")?;
    ensure!(found.binding == SymbolBinding::Local);

    // By name: one without a build id has to have the right checksum.
    let named = ElfFile {
        symbols,
        ..ElfFile::native()
    };
    let contents = named.build();
    let checksum = crc32(&contents);
    std::fs::create_dir_all(root.join("usr/lib/debug/bin"))?;
    for directory in ["usr/lib/debug/bin", "bin", "bin/.debug"] {
        let debug = root.join(directory).join("named.debug");
        std::fs::write(&debug, &contents)?;
        for (checksum, expected) in [(checksum, true), (checksum ^ 1, false)] {
            let by_name = ElfFile {
                debug_link: Some(("named.debug".to_owned(), checksum)),
                ..ElfFile::native()
            };
            std::fs::write(root.join("bin/by_name"), by_name.build())?;
            let binary = Binary::open_in(&root, "bin/by_name")?;
            ensure!(
                binary.function("internal").is_ok() == expected,
                "{directory}"
            );
        }
        std::fs::remove_file(debug)?;
    }
    std::fs::write(root.join("bin/.debug/named.debug"), &contents)?;
    // One of another build is not taken, and a name is no way out of the directory.
    let other = ElfFile {
        build_id: Some(vec![0x5e; 19]),
        debug_link: Some(("../bin/.debug/named.debug".to_owned(), checksum)),
        ..ElfFile::native()
    };
    std::fs::write(ids.join("5e".repeat(18) + ".debug"), debug.build())?;
    std::fs::write(root.join("bin/other"), other.build())?;
    let binary = Binary::open_in(&root, "bin/other")?;
    ensure!(binary.function("internal").is_err());
    Ok(())
}

/// Bit by bit, and so not as the library does it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut checksum = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let differs = (checksum ^ u32::from(byte >> bit)) & 1 == 1;
            checksum >>= 1;
            if differs {
                checksum ^= 0xedb8_8320;
            }
        }
    }
    !checksum
}

fn no_binaries(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.directory().join("text");
    std::fs::write(&path, "#!/bin/sh\n")?;
    ensure!(problem(Binary::open(&path), &path)? == BinaryProblem::NotElf);
    std::fs::write(&path, "")?;
    ensure!(problem(Binary::open(&path), &path)? == BinaryProblem::NotElf);
    let object = ElfFile {
        file_type: 1,
        ..ElfFile::native()
    };
    std::fs::write(&path, object.build())?;
    let refused = problem(Binary::open(&path), &path)?;
    ensure!(refused == BinaryProblem::NotLoadable { file_type: 1 });
    let directory = sandbox.directory();
    ensure!(problem(Binary::open(directory), directory)? == BinaryProblem::NotElf);
    let missing = Binary::open("/no/such/file").err().context("refused")?;
    ensure!(missing.errno() == Some(libc::ENOENT));
    Ok(())
}

/// A file is read, and not mapped: that would be the end of this process.
fn cut_short_after_it_was_opened(sandbox: &Sandbox) -> Result<()> {
    let file = ElfFile {
        symbols: vec![ElfSymbol::function("main", HOT_ADDRESS)],
        ..ElfFile::native()
    };
    let path = sandbox.directory().join("cut");
    std::fs::write(&path, file.build())?;
    let binary = Binary::open(&path)?;
    let writer = std::fs::File::options().write(true).open(&path)?;
    let len = writer.metadata()?.len();
    for (len, is_cut) in [(len, false), (0x200, true), (0, true), (len, true)] {
        writer.set_len(len)?;
        let found = binary.function("main");
        if !is_cut {
            ensure!(found.is_ok(), "{found:?}");
            continue;
        }
        let refused = problem(found, &path)?;
        let is_said = matches!(
            refused,
            BinaryProblem::Malformed { .. }
                | BinaryProblem::NoSuchSymbol { .. }
                | BinaryProblem::Stripped { .. }
        );
        ensure!(is_said, "{refused:?}");
    }
    Ok(())
}

fn addresses(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "addresses", &ElfFile::native())?;
    ensure!(made.binary.offset_of(CODE_ADDRESS + 0x123)? == CODE + 0x123);
    let refused = problem(made.binary.offset_of(CODE_ADDRESS + 0x1000), &made.path)?;
    let address = CODE_ADDRESS + 0x1000;
    ensure!(refused == BinaryProblem::NoSuchAddress { address });
    ensure!(made.binary.symbol_at(CODE)?.is_none());
    Ok(())
}
