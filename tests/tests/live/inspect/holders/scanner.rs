//! The files that the iterator finds, one by one.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkFile, LinkFileScanner, LinkKind, RawLink};
use bpf_link_tests::{Hook, Map, Program, Sandbox, pins};
use rustix::fs::MemfdFlags;

use super::ITERATOR;
use crate::fixture::{ensure_refused, without_descriptors, xdp};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(what_is_said_about_a_file).needs(ITERATOR).alone(),
    test!(buffers_of_any_size).needs(ITERATOR).alone(),
    test!(what_only_looks_like_a_link).needs(ITERATOR),
    test!(its_own_link_is_left_out).needs(ITERATOR),
    test!(it_takes_descriptors).needs(ITERATOR),
];

/// All open files of links.
pub(super) fn files(len: usize) -> Result<Vec<LinkFile>> {
    let scanner = LinkFileScanner::load()?;
    let mut buf = vec![0; len];
    let files = scanner.read(&mut buf)?;
    Ok(files.collect::<Result<_, _>>()?)
}

/// Those of this process.
fn own(len: usize) -> Result<Vec<LinkFile>> {
    let files = files(len)?.into_iter();
    Ok(files
        .filter(|file| file.pid() == std::process::id())
        .collect())
}

fn number(file: &impl std::os::fd::AsFd) -> Result<u32> {
    Ok(file.as_fd().as_raw_fd().try_into()?)
}

fn what_is_said_about_a_file(_sandbox: &Sandbox) -> Result<()> {
    // The kernel gives the file of a new link another name than the file of a link opened by id.
    let new = xdp(&Program::passing(Hook::XDP)?)?;
    let id = new.id()?;
    let opened = RawLink::from_id(id)?;
    let copied = new.try_clone()?;
    let mut expected = vec![number(&new)?, number(&opened)?, number(&copied)?];
    expected.sort_unstable();
    let own = own(LinkFileScanner::BUFFER)?;
    ensure!(own.iter().map(LinkFile::fd).eq(expected), "{own:?}");
    for file in own {
        ensure!(
            file.link_id() == id && file.kind() == LinkKind::Xdp,
            "{file:?}"
        );
        ensure!(file.tid() == file.pid(), "{file:?}");
        let comm = std::fs::read_to_string("/proc/self/comm")?;
        ensure!(file.comm().to_str()? == comm.trim_end(), "{file:?}");
    }
    Ok(())
}

fn buffers_of_any_size(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let clones = (0..900).map(|_| link.try_clone());
    let clones = clones.collect::<Result<Vec<_>, _>>()?;
    for len in [
        0,
        1,
        39,
        40,
        41,
        79,
        80,
        81,
        127,
        128,
        1_000,
        4_096,
        65_537,
        1 << 20,
    ] {
        let own = own(len)?;
        let descriptors: Vec<_> = own.iter().map(LinkFile::fd).collect();
        ensure!(descriptors.is_sorted_by(|a, b| a < b), "{len} bytes");
        ensure!(
            descriptors.len() == clones.len() + 1,
            "{len} bytes: {own:?}"
        );
    }
    Ok(())
}

/// A process can choose the names of such files.
fn what_only_looks_like_a_link(sandbox: &Sandbox) -> Result<()> {
    let mut files = Vec::new();
    for name in ["bpf_link", "bpf-link"] {
        files.push(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
        files.push(File::create_new(sandbox.directory().join(name))?.into());
        let pin = sandbox.bpffs().join(name);
        pins::pin(&Map::array(8, 1)?, &pin)?;
        files.push(pins::open(&pin)?);
        std::fs::remove_file(pin)?;
    }
    let own = own(LinkFileScanner::BUFFER)?;
    ensure!(own.is_empty(), "{own:?}");
    Ok(())
}

fn its_own_link_is_left_out(_sandbox: &Sandbox) -> Result<()> {
    let scanner = LinkFileScanner::load()?;
    let other = LinkFileScanner::load()?;
    let own = |scanner: &LinkFileScanner| {
        let mut buf = [0; 4_096];
        let files = scanner.read(&mut buf)?.collect::<Result<Vec<_>, _>>()?;
        let own = files.iter().filter(|file| file.pid() == std::process::id());
        let ids: Vec<_> = own.map(LinkFile::link_id).collect();
        anyhow::Ok(ids)
    };
    let (theirs, ours) = (own(&scanner)?, own(&other)?);
    ensure!(theirs.len() == 1 && ours.len() == 1 && theirs != ours);
    let first = ours.first().context("it is one")?;
    ensure!(RawLink::from_id(*first)?.info()?.kind() == LinkKind::Iter);
    Ok(())
}

fn it_takes_descriptors(_sandbox: &Sandbox) -> Result<()> {
    let loaded = without_descriptors(LinkFileScanner::load)?;
    let refusal = loaded.err().context("it was loaded")?;
    ensure!(refusal.is_transient(), "{refusal:?}");
    ensure!(refusal.error().errno() == Some(libc::EMFILE), "{refusal:?}");
    let scanner = LinkFileScanner::load()?;
    let mut buf = [0; 100];
    let read = without_descriptors(|| scanner.read(&mut buf).map(Iterator::count))?;
    ensure_refused!(read, bpf_link::Error::Command(_), Some(libc::EMFILE));
    Ok(())
}
