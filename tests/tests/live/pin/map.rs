//! Maps that are opened from their pins.

use anyhow::{Result, ensure};
use bpf_link::{Error, MapInfo, open_pinned_map};
use bpf_link_tests::{Hook, Map, Program, Sandbox, pins};

use crate::fixture::{Counted, as_nobody, ensure_refused, without_descriptors};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(opening_pinned_maps),
    test!(opening_pinned_maps_takes_permission),
];

fn opening_pinned_maps(sandbox: &Sandbox) -> Result<()> {
    let path = |name| sandbox.bpffs().join(name);
    let (program, map, link) = (
        Program::passing(Hook::XDP)?,
        Map::array(8, 1)?,
        Counted::new()?,
    );
    let mut link = link.link;
    pins::pin(&program, &path("program"))?;
    pins::pin(&map, &path("map"))?;
    link.pin(path("link"))?;
    std::fs::create_dir(path("directory"))?;
    let file = sandbox.directory().join("file");
    std::fs::write(&file, "")?;

    let opened = open_pinned_map(path("map"))?;
    ensure!(MapInfo::of(&opened)?.id.get() == map.id()?);
    for name in ["program", "link", "directory"] {
        ensure_refused!(open_pinned_map(path(name)), Error::NotAMap(_));
    }
    ensure_refused!(
        open_pinned_map(path("nothing")),
        Error::PathNotFound(_),
        Some(libc::ENOENT)
    );
    ensure_refused!(
        open_pinned_map(&file),
        Error::NotOnBpffs { .. },
        Some(libc::EACCES)
    );
    ensure_refused!(open_pinned_map("a\0b"), Error::PathHasNul { .. });
    let none_left = without_descriptors(|| open_pinned_map(path("map")))?;
    ensure_refused!(none_left, Error::Command(_), Some(libc::EMFILE));
    for name in ["program", "map"] {
        std::fs::remove_file(path(name))?;
    }
    Ok(link.unpin()?)
}

fn opening_pinned_maps_takes_permission(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("map");
    pins::pin(&Map::array(8, 1)?, &path)?;
    let refused = as_nobody(|| Ok(open_pinned_map(&path)));
    std::fs::remove_file(&path)?;
    // Before Linux 5.19 it takes CAP_BPF, too.
    let errno = if Need::Before(5, 19).missing()?.is_none() {
        libc::EPERM
    } else {
        libc::EACCES
    };
    ensure_refused!(refused?, Error::PermissionDenied(_), Some(errno));
    Ok(())
}
