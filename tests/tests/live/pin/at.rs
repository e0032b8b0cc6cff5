//! Pins relative to a directory, to the working directory, and on a bpffs that is mounted nowhere.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{chown, symlink};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, Exposure, PinDirectory, PinEntry, RawLink};
use bpf_link_tests::{Map, Sandbox, pins};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::fixture::{Counted, ensure_refused, hiding_procfs, without_descriptors};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(each_name_of_a_directory),
    test!(relative_to_a_directory),
    test!(an_absolute_path_makes_the_directory_irrelevant),
    test!(relative_to_the_working_directory),
    test!(on_a_bpffs_that_is_mounted_nowhere),
    test!(with_no_descriptor_left),
    test!(without_procfs_on_an_old_kernel).needs(&[Need::Before(6, 5)]),
    test!(without_procfs).needs(&[Need::Linux(6, 5)]),
];

fn relative_to_a_directory(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let (below, pin) = (
        sandbox.bpffs().join("below"),
        sandbox.bpffs().join("below/pin"),
    );
    fs::create_dir(&below)?;
    let directory = File::open(&below)?;
    counted.link.pin_at(&directory, "pin")?;
    ensure!(pin.exists());
    let mut opened = RawLink::from_pinned_at(&directory, "pin")?;
    ensure!(opened.id()? == counted.link.id()?);
    drop(directory);

    // The directory is still the same when it has another name.
    let renamed = sandbox.bpffs().join("renamed");
    fs::rename(&below, &renamed)?;
    opened.pin(sandbox.bpffs().join("moved"))?;
    ensure!(sandbox.pinned()? == [sandbox.bpffs().join("moved")]);
    opened.pin_at(File::open(&renamed)?, "back")?;
    ensure!(sandbox.pinned()? == [renamed.join("back")]);

    let taken = File::open(&renamed)?;
    let mut clone = opened.try_clone()?;
    ensure_refused!(
        clone.pin_at(&taken, "back"),
        Error::PathExists(_),
        Some(libc::EEXIST)
    );
    ensure_refused!(
        RawLink::from_pinned_at(&taken, "pin"),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(clone.pin_at(&taken, "a\0b"), Error::PathHasNul { .. });
    opened.unpin()?;
    fs::remove_dir(&renamed)?;
    Ok(())
}

fn each_name_of_a_directory(sandbox: &Sandbox) -> Result<()> {
    type Look = fn(&PinDirectory, &str) -> bpf_link::Result<PinEntry>;
    let mut counted = Counted::new()?;
    let below = sandbox.bpffs().join("below");
    fs::create_dir_all(below.join("directory"))?;
    let pin = below.join("pin");
    counted.link.pin(&pin)?;
    pins::pin(&Map::array(4, 1)?, &below.join("map"))?;
    symlink(&pin, below.join("symlink"))?;
    let directory = PinDirectory::open(&below)?;
    // Each time anew.
    for _ in 0..2 {
        let mut names = Vec::new();
        directory.for_each(|name, is_file| {
            names.push((name.to_owned(), is_file));
            Ok(())
        })?;
        names.sort();
        let expected = [
            ("directory", false),
            ("map", true),
            ("pin", true),
            ("symlink", false),
        ];
        ensure!(
            names == expected.map(|(name, is_file)| (name.into(), is_file)),
            "{names:?}"
        );
    }
    let looks: [Look; 3] = [
        |directory, name| directory.entry(name),
        |directory, name| directory.own_entry(name),
        |directory, name| directory.file(name),
    ];
    for look in looks {
        let found = look(&directory, "pin")?;
        let link = found.link().context("it is one")?;
        ensure!(link.id()? == counted.link.id()? && link.pin_path() == Some(&*pin));
        ensure!(matches!(look(&directory, "missing")?, PinEntry::Missing));
        for other in ["map", "directory"] {
            ensure!(matches!(look(&directory, other)?, PinEntry::NotALink));
        }
        ensure_refused!(look(&directory, "a\0b"), Error::PathHasNul { .. });
        without_descriptors(|| {
            ensure_refused!(
                look(&directory, "pin"),
                Error::Command(_),
                Some(libc::EMFILE)
            );
            Ok(())
        })??;
    }
    ensure!(matches!(directory.entry("symlink")?, PinEntry::NotALink));
    chown(&pin, Some(4321), None)?;
    ensure!(directory.entry("pin")?.link().is_some());
    ensure_refused!(
        directory.own_entry("pin"),
        Error::Exposed {
            how: Exposure::Owner(4321),
            ..
        }
    );
    let removed = PinDirectory::open(below.join("directory"))?;
    fs::remove_dir(below.join("directory"))?;
    let refused = removed.for_each(|_, _| Ok(()));
    ensure_refused!(refused, Error::Command(_), Some(libc::ENOENT));
    let missing = PinDirectory::open(below.join("missing"));
    ensure_refused!(missing, Error::PathNotFound(_), Some(libc::ENOENT));
    for name in ["map", "symlink"] {
        fs::remove_file(below.join(name))?;
    }
    counted.link.unpin()?;
    Ok(())
}

fn an_absolute_path_makes_the_directory_irrelevant(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let pin = sandbox.bpffs().join("pin");
    counted.link.pin_at(std::io::stderr(), &pin)?;
    ensure!(RawLink::from_pinned_at(std::io::stderr(), &pin)?.id()? == counted.link.id()?);
    counted.link.unpin()?;
    ensure!(!pin.exists());
    Ok(())
}

fn relative_to_the_working_directory(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let before = env::current_dir()?;
    env::set_current_dir(sandbox.bpffs())?;
    counted.link.pin("pin")?;
    ensure!(counted.link.pin_path() == Some(sandbox.bpffs().join("pin").as_path()));
    let mut opened = RawLink::from_pinned("pin")?;
    env::set_current_dir(&before)?;
    // What is remembered does not change with the working directory.
    counted.link.pin(sandbox.bpffs().join("moved"))?;
    ensure!(sandbox.pinned()? == [sandbox.bpffs().join("moved")]);
    opened.pin(sandbox.bpffs().join("pin"))?;
    opened.unpin()?;
    counted.link.unpin()?;
    Ok(())
}

fn on_a_bpffs_that_is_mounted_nowhere(_sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let bpffs = fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?;
    counted.link.pin_at(&bpffs, "pin")?;
    let mut opened = RawLink::from_pinned_at(&bpffs, "pin")?;
    ensure!(opened.id()? == counted.link.id()?);
    opened.pin_at(&bpffs, "moved")?;
    ensure!(RawLink::from_pinned_at(&bpffs, "moved")?.id()? == counted.link.id()?);
    opened.unpin()?;
    ensure_refused!(
        RawLink::from_pinned_at(&bpffs, "moved"),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn with_no_descriptor_left(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let directory = File::open(sandbox.bpffs())?;
    let refused = without_descriptors(|| counted.link.pin_at(&directory, "pin"))?;
    ensure_refused!(refused, Error::Command(_), Some(libc::EMFILE));
    ensure!(counted.link.pin_path().is_none() && sandbox.pinned()?.is_empty());
    Ok(())
}

fn without_procfs_on_an_old_kernel(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let directory = File::open(sandbox.bpffs())?;
    let (pinned, opened) = hiding_procfs(|| {
        (
            counted.link.pin_at(&directory, "pin"),
            RawLink::from_pinned_at(&directory, "pin"),
        )
    })?;
    let invalid = Some(libc::EINVAL);
    ensure_refused!(pinned, Error::UnsupportedByKernel(_), invalid);
    ensure_refused!(opened, Error::UnsupportedByKernel(_), invalid);
    ensure!(counted.link.pin_path().is_none() && sandbox.pinned()?.is_empty());
    Ok(())
}

fn without_procfs(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let directory = File::open(sandbox.bpffs())?;
    drop(hiding_procfs(|| {
        counted.link.pin_at(&directory, "pin")?;
        RawLink::from_pinned_at(&directory, "pin")
    })??);
    counted.link.unpin()?;
    Ok(())
}
