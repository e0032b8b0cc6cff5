//! Libraries as the dynamic loader finds them, here and below another root.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::{CODE_ADDRESS, ElfFile, ElfSymbol};
use bpf_link_typed::{Binary, Error};

use crate::fixture::text;
use crate::harness::role::{self, role};
use crate::harness::{Need, Role, Test, test};

pub(crate) const TESTS: &[Test] = &[
    // The guests' tests are linked with what they need.
    test!(of_this_machine).needs(&[Need::Without(&Need::OwnKernel)]),
    test!(below_another_root),
    test!(while_files_are_renamed),
    test!(programs),
    test!(programs_by_path),
];

pub(crate) const ROLES: &[Role] = &[role!(looker)];

/// The library that this program is linked with.
fn of_this_machine(_sandbox: &Sandbox) -> Result<()> {
    let missing = Binary::library("libno-such-library");
    ensure!(
        matches!(missing, Err(Error::NoSuchBinary { .. })),
        "{missing:?}"
    );
    let libc = Binary::library("libc.so.6")?;
    let short = Binary::library("libc")?;
    ensure!(libc.device_and_inode()? == short.device_and_inode()?);
    let mapped = Binary::in_process(std::process::id(), "libc")?;
    ensure!(libc.device_and_inode()? == mapped.device_and_inode()?);
    ensure!(libc.function("malloc")?.offset == mapped.function("malloc")?.offset);
    Ok(())
}

/// Then the kernel cannot tell whether a `..` leads out of the root.
fn while_files_are_renamed(sandbox: &Sandbox) -> Result<()> {
    let root = sandbox.directory().join("root");
    let [one, other] = ["one", "other"].map(|name| root.join(name));
    std::fs::create_dir_all(root.join("lib"))?;
    std::fs::write(root.join("lib/libx.so.1"), ElfFile::native().build())?;
    std::fs::write(&one, "")?;
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let renamer = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                std::fs::rename(&one, &other)?;
                std::fs::rename(&other, &one)?;
            }
            anyhow::Ok(())
        });
        let opened = (0..2000).try_for_each(|_| {
            let path = "lib/../".repeat(20) + "lib/libx.so.1";
            Binary::open_in(&root, path).map(drop)
        });
        is_done.store(true, Ordering::Relaxed);
        renamer
            .join()
            .map_err(|_| anyhow::anyhow!("it panicked"))??;
        Ok(opened?)
    })
}

fn below_another_root(sandbox: &Sandbox) -> Result<()> {
    let root = sandbox.directory().join("root");
    std::fs::create_dir_all(root.join("usr/lib/deep"))?;
    let file = ElfFile {
        symbols: vec![ElfSymbol::function("contained", CODE_ADDRESS)],
        ..ElfFile::native()
    };
    let foreign = ElfFile {
        machine: 0x1234,
        symbols: vec![ElfSymbol::function("foreign", CODE_ADDRESS)],
        ..ElfFile::native()
    };
    std::fs::write(root.join("usr/lib/deep/libx.so.2"), file.build())?;
    // A link to the root that the container sees, and one out of it.
    symlink("/usr/lib/deep/libx.so.2", root.join("usr/lib/libx.so.2"))?;
    symlink(
        "../../../../../../../../etc/passwd",
        root.join("usr/lib/liby.so.1"),
    )?;
    std::fs::create_dir_all(root.join("lib64"))?;
    std::fs::write(root.join("lib64/libx.so.1"), foreign.build())?;
    for name in ["libx.so.2", "libx"] {
        let found = Binary::library_in(&root, name)?;
        ensure!(found.function("contained").is_ok(), "{name}");
    }
    let found = Binary::library_in(&root, "libx.so.1")?;
    ensure!(found.function("foreign").is_ok());
    let outside = Binary::open_in(&root, "/usr/lib/liby.so.1");
    let outside = outside.err().context("it is outside")?;
    ensure!(outside.errno() == Some(libc::ENOENT), "{outside:?}");
    let missing = Binary::library_in(&root, "libz");
    ensure!(
        matches!(missing, Err(Error::NoSuchBinary { .. })),
        "{missing:?}"
    );

    // What the loader's cache has comes before the default directories.
    let cached = ElfFile {
        symbols: vec![ElfSymbol::function("cached", CODE_ADDRESS)],
        ..ElfFile::native()
    };
    std::fs::create_dir_all(root.join("opt/vendor"))?;
    std::fs::create_dir_all(root.join("etc"))?;
    for name in ["libz.so.9", "libx.so.2"] {
        std::fs::write(root.join("opt/vendor").join(name), cached.build())?;
    }
    let cache = loader_cache(&[
        ("libz.so.9", "/opt/vendor/libz.so.9"),
        ("libx.so.2", "/opt/vendor/libx.so.2"),
        ("libgone.so.1", "/opt/vendor/libgone.so.1"),
    ])?;
    std::fs::write(root.join("etc/ld.so.cache"), cache)?;
    for name in ["libz.so.9", "libz", "libx.so.2", "libx"] {
        let found = Binary::library_in(&root, name)?;
        ensure!(found.function("cached").is_ok(), "{name}");
    }
    let gone = Binary::library_in(&root, "libgone");
    ensure!(matches!(gone, Err(Error::NoSuchBinary { .. })), "{gone:?}");
    Ok(())
}

/// `ld.so.cache` as `ldconfig` of glibc 2.32 and later writes it, with these names and paths.
fn loader_cache(entries: &[(&str, &str)]) -> Result<Vec<u8>> {
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    /// The sort of library: `FLAG_ELF_LIBC6`.
    const FLAGS: u32 = 3;
    let begin = HEADER + ENTRY * entries.len();
    let mut strings: Vec<u8> = Vec::new();
    let mut add = |text: &str| {
        let place = u32::try_from(begin + strings.len());
        strings.extend(text.as_bytes());
        strings.push(0);
        place
    };
    let mut table = Vec::new();
    for (name, path) in entries {
        for number in [FLAGS, add(name)?, add(path)?, 0, 0, 0] {
            table.extend(number.to_ne_bytes());
        }
    }
    let mut cache = b"glibc-ld.so.cache1.1".to_vec();
    cache.extend(u32::try_from(entries.len())?.to_ne_bytes());
    cache.extend(u32::try_from(strings.len())?.to_ne_bytes());
    cache.resize(HEADER, 0);
    Ok([cache, table, strings].concat())
}

/// Looks for the program of this name in the directories of `PATH`.
fn looker(arguments: &[String]) -> Result<()> {
    let [name] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    match Binary::program(OsStr::new(name)) {
        Ok(found) => role::say(text(found.path())?),
        Err(Error::NoSuchBinary { name, searched }) => {
            role::say(&format!("no {name} in {}", searched.display()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The first that can be executed, as shells find it.
fn programs_by_path(sandbox: &Sandbox) -> Result<()> {
    let directories = ["none", "directory", "not_executable", "first", "second"];
    let directories = directories.map(|name| sandbox.directory().join(name));
    let [none, directory, not_executable, first, second] = &directories;
    std::fs::create_dir_all(directory.join("tool"))?;
    for (directory, mode) in [(not_executable, 0o644), (first, 0o755), (second, 0o755)] {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("tool"), ElfFile::native().build())?;
        std::fs::set_permissions(directory.join("tool"), Permissions::from_mode(mode))?;
    }
    for (path, expected) in [
        (&directories[..], first.join("tool").display().to_string()),
        (
            &[none.clone(), second.clone()],
            second.join("tool").display().to_string(),
        ),
        (
            std::slice::from_ref(not_executable),
            format!("no tool in {}", not_executable.display()),
        ),
    ] {
        let path = std::env::join_paths(path)?;
        let mut player = role!(looker).start_in(("PATH", &path), &["tool"])?;
        let found = player.hear()?;
        ensure!(found == expected, "{found}");
        player.finish()?;
    }
    Ok(())
}

fn programs(_sandbox: &Sandbox) -> Result<()> {
    let own = Binary::open("/proc/self/exe")?;
    let same = Binary::of_process(std::process::id())?;
    ensure!(own.device_and_inode()? == same.device_and_inode()?);
    let missing = Binary::program("no-such-program");
    ensure!(
        matches!(missing, Err(Error::NoSuchBinary { .. })),
        "{missing:?}"
    );
    Ok(())
}
