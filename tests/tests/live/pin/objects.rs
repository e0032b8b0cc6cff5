//! Programs and maps that are opened from their pins.

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Result, ensure};
use bpf_link::{Error, MapInfo, ProgramInfo, open_pinned_map, open_pinned_program};
use bpf_link_tests::{Hook, Map, Program, Sandbox, pins};

use crate::fixture::{Counted, as_nobody, ensure_refused, without_descriptors};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(opening_pinned_programs),
    test!(opening_pinned_maps),
    test!(opening_them_takes_permission),
];

type Open = fn(&Path) -> bpf_link::Result<OwnedFd>;

const OPEN_PROGRAM: Open = |path| open_pinned_program(path);
const OPEN_MAP: Open = |path| open_pinned_map(path);

fn opening_pinned_programs(sandbox: &Sandbox) -> Result<()> {
    let (program, map) = (Program::passing(Hook::XDP)?, Map::array(8, 1)?);
    let opened = opening(sandbox, &program, &map, "program", OPEN_PROGRAM, |error| {
        matches!(error, Error::NotAProgram(_))
    })?;
    ensure!(ProgramInfo::of(&opened)?.id.get() == program.id()?);
    Ok(())
}

fn opening_pinned_maps(sandbox: &Sandbox) -> Result<()> {
    let (program, map) = (Program::passing(Hook::XDP)?, Map::array(8, 1)?);
    let opened = opening(sandbox, &program, &map, "map", OPEN_MAP, |error| {
        matches!(error, Error::NotAMap(_))
    })?;
    ensure!(MapInfo::of(&opened)?.id.get() == map.id()?);
    Ok(())
}

/// Opens what is pinned under the wanted name, and tries everything else.
fn opening(
    sandbox: &Sandbox,
    program: &Program,
    map: &Map,
    wanted: &str,
    open: Open,
    is_other: fn(&Error) -> bool,
) -> Result<OwnedFd> {
    let path = |name: &str| sandbox.bpffs().join(name);
    let mut link = Counted::new()?.link;
    pins::pin(program, &path("program"))?;
    pins::pin(map, &path("map"))?;
    link.pin(path("link"))?;
    std::fs::create_dir(path("directory"))?;
    let file = sandbox.directory().join("file");
    std::fs::write(&file, "")?;

    let opened = open(&path(wanted))?;
    let names = ["program", "map", "link", "directory"];
    for name in names.into_iter().filter(|name| *name != wanted) {
        let refused = open(&path(name));
        ensure!(refused.as_ref().is_err_and(is_other), "{name}: {refused:?}");
    }
    ensure_refused!(
        open(&path("nothing")),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(open(&file), Error::NotOnBpffs { .. }, Some(libc::EACCES));
    ensure_refused!(open("a\0b".as_ref()), Error::PathHasNul { .. });
    let none_left = without_descriptors(|| open(&path(wanted)))?;
    ensure_refused!(none_left, Error::Command(_), Some(libc::EMFILE));
    for name in ["program", "map"] {
        std::fs::remove_file(path(name))?;
    }
    link.unpin()?;
    Ok(opened)
}

fn opening_them_takes_permission(sandbox: &Sandbox) -> Result<()> {
    // Before Linux 5.19 it takes CAP_BPF, too.
    let errno = if Need::Before(5, 19).missing()?.is_none() {
        libc::EPERM
    } else {
        libc::EACCES
    };
    let [program, map] = ["program", "map"].map(|name| sandbox.bpffs().join(name));
    pins::pin(&Program::passing(Hook::XDP)?, &program)?;
    pins::pin(&Map::array(8, 1)?, &map)?;
    for (path, open) in [(program, OPEN_PROGRAM), (map, OPEN_MAP)] {
        let refused = as_nobody(|| Ok(open(&path)));
        std::fs::remove_file(path)?;
        ensure_refused!(refused?, Error::PermissionDenied(_), Some(errno));
    }
    Ok(())
}
