//! Files of a process in another mount namespace, as those of containers are.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_tests::sys::{self, MappedElf};
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{Binary, Error, PerfEventAttach, UprobeEvent};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{UnshareFlags, set_thread_uid};

use super::found::crc32;
use crate::fixture::attaching::counting;
use crate::fixture::{as_nobody, text};
use crate::harness::role::{self, Player, role};
use crate::harness::{Need, Role, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(its_library),
    test!(its_library_is_traced).needs(Need::PERF_EVENT),
    test!(its_program),
    test!(without_privilege),
];

pub(crate) const ROLES: &[Role] = &[role!(contained)];

const LIBRARY: &str = "libboth.so.3";

/// Mounts the first directory over the second, and maps its library. Runs as root, or as a user
/// without privilege.
fn contained(arguments: &[String]) -> Result<()> {
    let [contained, here, user] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    sys::unshare(UnshareFlags::NEWNS)?;
    mount_bind(contained, here)?;
    if user == "nobody" {
        set_thread_uid(rustix::fs::Uid::from_raw(65534))?;
        // As if it had executed a program since.
        set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    }
    let mapped = MappedElf::new(&File::open(Path::new(here).join(LIBRARY))?)?;
    role::say("mapped")?;
    while role::listen()?.is_some() {
        mapped.call(HOT);
        role::say("called")?;
    }
    Ok(())
}

/// The directory that the process sees, and the one that is at the same path for everybody else.
struct Directories {
    contained: PathBuf,
    here: PathBuf,
}

impl Directories {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let directories = Self {
            contained: sandbox.directory().join("contained"),
            here: sandbox.directory().join("here"),
        };
        let function = ElfSymbol::function;
        let debug = ElfFile {
            symbols: vec![function("in_container", HOT_ADDRESS).local()],
            ..ElfFile::native()
        };
        let debug = debug.build();
        let contained = ElfFile {
            dynamic: vec![function("both", HOT_ADDRESS)],
            debug_link: Some(("both.debug".to_owned(), crc32(&debug))),
            ..ElfFile::native()
        };
        let here = ElfFile {
            symbols: vec![
                function("both", CODE_ADDRESS),
                function("here", CODE_ADDRESS),
            ],
            ..ElfFile::native()
        };
        for (directory, file) in [
            (&directories.contained, contained),
            (&directories.here, here),
        ] {
            std::fs::create_dir_all(directory)?;
            std::fs::write(directory.join(LIBRARY), file.build())?;
        }
        let debug_files = directories.contained.join(".debug");
        std::fs::create_dir_all(&debug_files)?;
        std::fs::write(debug_files.join("both.debug"), debug)?;
        Ok(directories)
    }

    fn start(&self, user: &str) -> Result<Player> {
        let there = text(&self.contained)?;
        let here = text(&self.here)?;
        let mut player = role!(contained).start(&[there, here, user])?;
        ensure!(player.hear()? == "mapped");
        Ok(player)
    }

    /// Checks that it is the file that the process has, with the debug file that it sees.
    fn check(&self, found: &Binary) -> Result<()> {
        let contained = Binary::open(self.contained.join(LIBRARY))?;
        ensure!(
            found.device_and_inode()? == contained.device_and_inode()?,
            "{found:?}"
        );
        ensure!(found.function("both")?.offset == HOT);
        ensure!(found.function("in_container")?.offset == HOT);
        ensure!(found.function("here").is_err());
        Ok(())
    }
}

fn its_library(sandbox: &Sandbox) -> Result<()> {
    let directories = Directories::new(sandbox)?;
    let player = directories.start("root")?;
    let path = directories.here.join(LIBRARY);
    for name in ["libboth", LIBRARY, text(&path)?] {
        directories.check(&Binary::in_process(player.id(), name)?)?;
    }
    ensure!(Binary::open(&path)?.function("here")?.offset == CODE);
    player.finish()
}

fn its_library_is_traced(sandbox: &Sandbox) -> Result<()> {
    let directories = Directories::new(sandbox)?;
    let mut player = directories.start("root")?;
    let mapped_here = MappedElf::new(&File::open(directories.here.join(LIBRARY))?)?;
    let (program, counter) = counting(Hook::KPROBE)?;
    let library = Binary::in_process(player.id(), "libboth")?;
    let to = UprobeEvent::in_binary(&library, library.function("in_container")?);
    let _link = PerfEventAttach::to(to).attach(&program)?;
    mapped_here.call(HOT);
    ensure!(counter.read()? == 0);
    player.tell("call")?;
    ensure!(player.hear()? == "called");
    ensure!(counter.read()? == 1, "{}", counter.read()?);
    player.finish()
}

/// Another file is at the path of the program, but not for the process that runs it.
fn its_program(sandbox: &Sandbox) -> Result<()> {
    let directories = Directories::new(sandbox)?;
    let own = Binary::open("/proc/self/exe")?;
    let path = std::fs::read_link("/proc/self/exe")?;
    let player = directories.start("root")?;
    let other = directories.here.join(LIBRARY);
    mount_bind(&other, &path)?;
    let found = Binary::of_process(player.id());
    let at_path = Binary::open(&path);
    unmount(&path, UnmountFlags::DETACH)?;
    ensure!(found?.device_and_inode()? == own.device_and_inode()?);
    let other = Binary::open(&other)?;
    ensure!(at_path?.device_and_inode()? == other.device_and_inode()?);
    player.finish()
}

/// Only the most privileged may open what a process has mapped. For the others it is the file at
/// the path that the process sees, if that is still the one that is mapped.
fn without_privilege(sandbox: &Sandbox) -> Result<()> {
    let directories = Directories::new(sandbox)?;
    let player = directories.start("nobody")?;
    let library = || as_nobody(|| Ok(Binary::in_process(player.id(), "libboth")));
    directories.check(&library()??)?;
    std::fs::remove_file(directories.contained.join(LIBRARY))?;
    let refused = library()?.err().context("the file has gone")?;
    let maps = format!("/proc/{}/map_files/", player.id());
    let is_said = matches!(&refused, Error::File { path, .. } if path.starts_with(&maps));
    ensure!(
        is_said && refused.errno() == Some(libc::EPERM),
        "{refused:?}"
    );
    player.finish()
}
