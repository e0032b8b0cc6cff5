//! What is found in lists that no kernel of the tests has.

use super::*;

const SYMBOLS: &str = "10 T vfs_read\n20 T vfs_write\n30 t twice\n40 T __x64_sys_openat\n\
    40 T __ia32_sys_openat\n48 T __x64_sys_bpf\n4c T sys_imageblit\n50 t twice\t[mod]\n\
    60 t vfs_mod\t[mod]\n70 T vfs_notrace\n80 t vfs_other\t[other]\n90 D end\n";
const TRACEABLE: &str = "10 vfs_read\n24 vfs_write\n30 twice\n44 __ia32_sys_openat\n\
    48 __x64_sys_bpf\n50 twice [mod]\n60 vfs_mod [mod]\n84 vfs_other [other]\n";

fn all_of(symbols: &str) -> KernelFunctions {
    KernelFunctions {
        table: SymbolTable::read(symbols.as_bytes()).expect("it is in memory"),
        traceable: None,
    }
}

fn traceable_of(symbols: &str, list: &str, format: Format) -> KernelFunctions {
    let mut functions = all_of(symbols);
    let marks = traceable::marks(&functions.table, list.as_bytes(), format);
    functions.traceable = Some(marks.expect("it is in memory"));
    functions
}

fn traceable() -> KernelFunctions {
    traceable_of(SYMBOLS, TRACEABLE, Format::Addresses)
}

/// Their names and addresses, in words.
fn words(functions: &[KernelFunction]) -> String {
    let word = |function: &KernelFunction| {
        let address = function.address.visible().unwrap_or(0);
        format!("{}@{address:x}", function.name)
    };
    functions.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn patterns_pick_names_and_modules() {
    let kernel = traceable();
    for (pattern, expected) in [
        ("vfs_*", "vfs_read@10 vfs_write@20 vfs_mod@60 vfs_other@80"),
        ("vfs_?rite", "vfs_write@20"),
        ("twice", "twice@30 twice@50"),
        ("mod:*", "twice@50 vfs_mod@60"),
        ("mod:vfs_*", "vfs_mod@60"),
        ("*:vfs_*", "vfs_mod@60 vfs_other@80"),
        // Each place once, by whichever name.
        ("__x64_sys_op*", "__x64_sys_openat@40"),
        ("__ia32_*", "__ia32_sys_openat@40"),
        ("__*_sys_openat", "__x64_sys_openat@40"),
    ] {
        let found = kernel.functions_matching(pattern).expect(pattern);
        assert_eq!(words(&found), expected, "{pattern}");
    }
    for nothing in ["vfs_notrace", "none:*", ":vfs_read", "", "Vfs_*"] {
        let error = kernel.functions_matching(nothing).expect_err(nothing);
        assert_eq!(
            error.to_string(),
            format!("no function of the kernel matches {nothing}")
        );
    }
    let all = all_of(SYMBOLS)
        .functions_matching("vfs_n*")
        .expect("it is there");
    assert_eq!(words(&all), "vfs_notrace@70");
}

#[test]
fn closures_pick_what_they_see() {
    let kernel = traceable();
    let picks = |function: &KernelFunction| function.module.as_deref() == Some("mod");
    let found = kernel.functions_where(picks).expect("all is clear");
    assert_eq!(words(&found), "twice@50 vfs_mod@60");
    let nothing = kernel.functions_where(|_| false).expect("all is clear");
    assert!(nothing.is_empty());
}

#[test]
fn one_function_is_meant() {
    let kernel = traceable();
    let found = kernel.function("mod:twice").expect("it is the module's");
    assert_eq!(words(&[found]), "twice@50");
    let Err(Error::AmbiguousSymbol {
        symbols,
        source: None,
    }) = kernel.function("twice")
    else {
        panic!("two have the name");
    };
    assert_eq!(
        symbols.first().map(|name| &*name.addresses),
        Some(&[0x30, 0x50][..])
    );
    for (name, expected) in [
        (
            "vfs_raed",
            "the kernel has no function vfs_raed; similar names: vfs_read",
        ),
        (
            "sys_openat",
            "the kernel has no function sys_openat; similar names: __x64_sys_openat, __ia32_sys_openat",
        ),
        ("vfs_notrace", "the kernel cannot trace vfs_notrace"),
        ("other:twice", "the kernel has no function other:twice"),
    ] {
        let error = kernel.function(name).expect_err(name);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let shared = kernel.shared_names();
    let names: Vec<_> = shared.iter().map(|shared| shared.name.to_str()).collect();
    assert_eq!(names, [Ok("twice")]);
}

#[test]
fn system_calls_have_the_names_of_their_architecture() {
    for (prefix, symbols) in [
        (
            "__x64_sys_",
            "10 T __x64_sys_openat\n20 t __ia32_sys_openat\n30 T __x64_sys_bpf\n",
        ),
        (
            "__arm64_sys_",
            "10 T __arm64_sys_openat\n30 T __arm64_sys_bpf\n38 T sys_openat\n",
        ),
        (
            "__s390x_sys_",
            "10 T __s390x_sys_openat\n20 T __s390_sys_openat\n30 T __s390x_sys_bpf\n",
        ),
        (
            "__riscv_sys_",
            "10 T __riscv_sys_openat\n30 T __riscv_sys_bpf\n",
        ),
        (
            "sys_",
            "10 T sys_openat\n10 T SyS_openat\n30 T sys_bpf\n30 T SyS_bpf\n",
        ),
        ("SyS_", "10 T SyS_openat\n30 T SyS_bpf\n"),
    ] {
        let found = all_of(symbols).syscall("openat").expect(prefix);
        assert_eq!(words(&[found]), format!("{prefix}openat@10"));
    }
    let kernel = traceable();
    for (name, expected) in [
        (
            "opneat",
            "the kernel has no system call opneat; similar names: openat",
        ),
        // Not every function with that in front is one.
        ("imageblit", "the kernel has no system call imageblit"),
    ] {
        let error = kernel.syscall(name).expect_err(name);
        assert_eq!(error.to_string(), expected);
    }
}

/// As `syscall_64.tbl` and the tables of other architectures have them.
#[test]
fn some_system_calls_have_functions_of_other_names() {
    for (prefix, functions, calls) in [
        (
            "__x64_sys_",
            "bpf stat newstat lstat newlstat fstat newfstat uname newuname sendfile sendfile64 \
             umount fadvise64 fadvise64_64 personality mmap newfstatat",
            "stat=newstat lstat=newlstat fstat=newfstat uname=newuname sendfile=sendfile64 \
             umount2=umount umount=umount fadvise64=fadvise64 personality=personality mmap=mmap \
             newfstatat=newfstatat newstat=newstat sendfile64=sendfile64",
        ),
        (
            "__arm64_sys_",
            "bpf newfstat newuname umount fadvise64_64 personality arm64_personality mmap",
            "fstat=newfstat uname=newuname umount2=umount fadvise64=fadvise64_64 \
             personality=arm64_personality mmap=mmap",
        ),
        (
            "__s390x_sys_",
            "bpf newstat ipc s390_ipc s390_personality old_mmap fadvise64_64",
            "stat=newstat ipc=s390_ipc personality=s390_personality mmap=old_mmap \
             fadvise64=fadvise64_64",
        ),
        ("sys_", "bpf stat uname", "stat=stat uname=uname"),
    ] {
        let symbols = (1..).zip(functions.split(' '));
        let symbols = symbols.map(|(place, function)| format!("{place}0 T {prefix}{function}"));
        let symbols = symbols.collect::<Vec<_>>().join("\n") + "\n";
        let kernel = all_of(&symbols);
        for call in calls.split(' ') {
            let (call, function) = call.split_once('=').expect("it has both");
            let found = kernel.syscall(call).expect(call);
            assert_eq!(found.name, format!("{prefix}{function}"), "{call}");
        }
    }
}

#[test]
fn what_is_unclear_is_refused() {
    let kernel = traceable_of(
        "10 T one\n20 t twice\n30 t twice\n40 D end\n",
        "one\ntwice\n",
        Format::Names,
    );
    assert_eq!(
        words(&kernel.functions_matching("o*").expect("it is clear")),
        "one@10"
    );
    for refused in [
        kernel.functions_matching("*"),
        kernel.functions_named("twice"),
    ] {
        let Err(Error::AmbiguousSymbol { symbols, .. }) = refused else {
            panic!("{refused:?}");
        };
        let [shared] = &*symbols else {
            panic!("{symbols:?}");
        };
        assert_eq!(shared.addresses, [0x20, 0x30]);
    }
}

#[test]
fn hidden_functions_have_their_names() {
    let hidden = "0 T one\n0 t twice\n0 t twice\t[mod]\n";
    let kernel = traceable_of(
        hidden,
        "14 one\n24 twice\n34 twice [mod]\n",
        Format::Addresses,
    );
    let found = kernel.functions_matching("*").expect("both are listed");
    assert_eq!(words(&found), "one@0 twice@0 twice@0");
    let Err(Error::AmbiguousSymbol { symbols, .. }) = kernel.function("twice") else {
        panic!("two have the name");
    };
    assert!(
        symbols
            .first()
            .is_some_and(|shared| shared.addresses.is_empty())
    );
    for nowhere in [0, 0x10, u64::MAX] {
        assert_eq!(kernel.function_at(nowhere), None, "{nowhere:#x}");
    }
}

#[test]
fn addresses_are_known_or_not() {
    for (symbols, has_addresses) in [
        (SYMBOLS, true),
        ("0 T one\n10 t other\n", true),
        ("0 T one\n0 t other\t[mod]\n", false),
        // A function is meant, and not just any symbol.
        ("0 T one\n10 D data\n", false),
        ("", false),
    ] {
        assert_eq!(all_of(symbols).has_addresses(), has_addresses, "{symbols}");
    }
}

#[test]
fn places_are_found() {
    let kernel = all_of(
        "0 A fixed\nffffffff81000020 T second\nffffffff81000010 T first\n\
        ffffffff81000010 t alias\nffffffff81000018 D data\n\
        ffffffffc0000000 t inside\t[some_module]\nffffffffc0000040 b end\t[some_module]\n",
    );
    let function = |name: &str, module: Option<&str>, address| KernelFunction {
        name: name.to_owned(),
        module: module.map(str::to_owned),
        address: Hideable::Visible(address),
    };
    let first = || function("first", None, 0xffff_ffff_8100_0010);
    let second = || function("second", None, 0xffff_ffff_8100_0020);
    let inside = || function("inside", Some("some_module"), 0xffff_ffff_c000_0000);
    for (address, expected) in [
        (0xffff_ffff_8100_000f, None),
        (0xffff_ffff_8100_0010, Some((first(), 0))),
        (0xffff_ffff_8100_0017, Some((first(), 7))),
        (0xffff_ffff_8100_001c, None),
        (0xffff_ffff_8100_0024, Some((second(), 4))),
        (0xffff_ffff_c000_0004, Some((inside(), 4))),
        (0xffff_ffff_c000_0040, None),
        (0xffff_ffff_d000_0000, None),
    ] {
        assert_eq!(kernel.function_at(address), expected, "{address:#x}");
    }
}
