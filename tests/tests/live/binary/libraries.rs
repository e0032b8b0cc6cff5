//! Libraries as the dynamic loader finds them, here and below another root.

use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::{CODE_ADDRESS, ElfFile, ElfSymbol};
use bpf_link_typed::{Binary, Error};

use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    // The guests' tests are linked with what they need.
    test!(of_this_machine).needs(&[Need::Without(&Need::OwnKernel)]),
    test!(below_another_root),
    test!(programs),
];

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
