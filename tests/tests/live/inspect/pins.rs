//! Where links are pinned, on every bpffs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, RawLink};
use bpf_link_tests::{Map, Sandbox, pins};
use bpf_link_typed::inspect::{PinNote, Pins};

use crate::fixture::{Counted, as_nobody, without_descriptors};
use crate::harness::{Test, test};
use crate::lister::many;

pub(crate) const TESTS: &[Test] = &[
    test!(every_bpffs_is_walked),
    test!(what_is_known_is_not_opened_again),
    test!(pins_that_change),
    test!(what_cannot_be_read),
];

fn look() -> Result<Pins> {
    let mut pins = Pins::new();
    pins.refresh();
    ensure!(pins.notes().is_empty(), "{:?}", pins.notes());
    Ok(pins)
}

fn every_bpffs_is_walked(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    ensure!(look()?.of(id).is_empty());
    let directory = sandbox.bpffs().join("directory");
    fs::create_dir(&directory)?;
    let paths = [
        directory.join("in it"),
        sandbox.bpffs().join("pin"),
        sandbox.second_bpffs()?.join("pin"),
    ];
    for path in &paths {
        pins::pin(&counted.link, path)?;
    }
    // What is not a link, or not a pin.
    let others = ["map", "program", "alias"].map(|name| sandbox.bpffs().join(name));
    let [map, program, alias] = &others;
    pins::pin(&Map::array(8, 1)?, map)?;
    pins::pin(&counted.program, program)?;
    std::os::unix::fs::symlink(&paths[1], alias)?;
    let pins = look()?;
    ensure!(pins.of(id) == paths, "{pins:?}");
    let found: Vec<&Path> = pins
        .iter()
        .filter(|(link, _)| *link == id)
        .map(|(_, path)| path)
        .collect();
    ensure!(found == paths, "{found:?}");
    ensure!(
        pins.iter()
            .all(|(_, path)| !others.iter().any(|other| other == path))
    );
    for path in paths.iter().chain(&others) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Looks while the process has a single descriptor left, by which directories can be read.
fn look_with_one_descriptor(pins: &mut Pins) -> Result<()> {
    let mut last = Some(fs::File::open("/dev/null")?);
    without_descriptors(|| {
        last = None;
        pins.refresh();
    })
}

fn what_is_known_is_not_opened_again(sandbox: &Sandbox) -> Result<()> {
    const LINKS: usize = 20;
    let links = many(LINKS)?;
    let path = |nth| sandbox.bpffs().join(format!("pin{nth}"));
    for (nth, link) in links.iter().enumerate() {
        pins::pin(link, &path(nth))?;
    }
    let map = sandbox.bpffs().join("map");
    pins::pin(&Map::array(8, 1)?, &map)?;
    let is_pinned = |pins: &Pins| {
        for (nth, link) in links.iter().enumerate() {
            ensure!(pins.of(link.id()?) == [path(nth)], "{pins:?}");
        }
        Ok(())
    };
    let mut pins = look()?;
    is_pinned(&pins)?;
    look_with_one_descriptor(&mut pins)?;
    ensure!(pins.notes().is_empty(), "{:?}", pins.notes());
    is_pinned(&pins)?;

    // A new pin has to be opened, and so has one that could not be.
    let new = many(1)?.pop().context("a link")?;
    pins::pin(&new, &path(LINKS))?;
    for _ in 0..2 {
        look_with_one_descriptor(&mut pins)?;
        let [PinNote::Pin(error)] = pins.notes() else {
            anyhow::bail!("{:?}", pins.notes());
        };
        ensure!(error.errno() == Some(libc::EMFILE), "{error:?}");
        is_pinned(&pins)?;
    }
    pins.refresh();
    ensure!(pins.notes().is_empty() && pins.of(new.id()?) == [path(LINKS)]);
    for nth in 0..=LINKS {
        fs::remove_file(path(nth))?;
    }
    Ok(fs::remove_file(map)?)
}

fn pins_that_change(sandbox: &Sandbox) -> Result<()> {
    let links = many(2)?;
    let [one, other] = &links[..] else {
        anyhow::bail!("not two");
    };
    let (id, other_id) = (one.id()?, other.id()?);
    let (path, beside) = (sandbox.bpffs().join("pin"), sandbox.bpffs().join("beside"));
    let mut pins = Pins::new();
    let mut is_at = |id: LinkId, paths: &[&Path]| {
        pins.refresh();
        ensure!(pins.notes().is_empty() && pins.of(id) == paths, "{pins:?}");
        Ok(())
    };
    pins::pin(one, &path)?;
    is_at(id, &[&path])?;
    // Two names of one file.
    fs::hard_link(&path, &beside)?;
    is_at(id, &[&beside, &path])?;
    fs::remove_file(&path)?;
    is_at(id, &[&beside])?;
    // Another link in its place: by a new pin, and by a rename.
    pins::pin(other, &path)?;
    is_at(other_id, &[&path])?;
    fs::rename(&path, &beside)?;
    is_at(other_id, &[&beside])?;
    is_at(id, &[])?;
    fs::remove_file(&beside)?;
    is_at(other_id, &[])?;
    // A map where a link was.
    pins::pin(&Map::array(8, 1)?, &beside)?;
    is_at(other_id, &[])?;
    Ok(fs::remove_file(beside)?)
}

fn what_cannot_be_read(sandbox: &Sandbox) -> Result<()> {
    let link: RawLink = many(1)?.pop().context("a link")?;
    let directory = sandbox.bpffs().join("closed");
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
    let paths = [directory.join("pin"), sandbox.bpffs().join("pin")];
    for path in &paths {
        pins::pin(&link, path)?;
    }
    let id = link.id()?;
    let found = as_nobody(|| {
        let mut pins = Pins::new();
        pins.refresh();
        Ok(pins)
    })?;
    ensure!(found.of(id).is_empty(), "{found:?}");
    let is_directory = |note: &PinNote| {
        matches!(note, PinNote::Directory { path, error }
            if *path == directory && error.raw_os_error() == Some(libc::EACCES))
    };
    ensure!(found.notes().iter().any(is_directory), "{found:?}");
    let is_pin =
        |note: &PinNote| matches!(note, PinNote::Pin(bpf_link::Error::PermissionDenied(_)));
    ensure!(found.notes().iter().any(is_pin), "{found:?}");
    ensure!(look()?.of(id) == paths);
    for path in paths {
        fs::remove_file(path)?;
    }
    Ok(())
}
