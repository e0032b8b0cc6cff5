//! What is on the kernel, by bare system calls: the evidence that the library is held against, and
//! what a test has left behind.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bpf_link_sys::{BPF_LINK_TYPE_STRUCT_OPS, bpf_link_info, bpf_link_type};

use crate::names;
use crate::sys::{self, IdSpace};

/// A link that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLink {
    /// Its id.
    pub id: u32,
    /// Its kind.
    pub link_type: bpf_link_type,
    /// The name of its program, or of its map for a `struct_ops` link; empty where the kernel does
    /// not say, as of a `struct_ops` link that has been detached.
    pub name: String,
}

/// What the kernel says of a link: the bytes of its `bpf_link_info`, where all was zeros before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    bytes: [u8; size_of::<bpf_link_info>()],
}

impl LinkInfo {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn of(link: &impl AsFd) -> Result<Self> {
        let bytes = sys::link_info(link.as_fd()).context("asking for a link's information")?;
        Ok(Self { bytes })
    }

    /// The link's kind.
    #[must_use]
    pub fn link_type(&self) -> bpf_link_type {
        self.u32_at(0)
    }

    /// The link's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.u32_at(4)
    }

    /// The id of the link's program; 0 for `struct_ops`.
    #[must_use]
    pub fn program_id(&self) -> u32 {
        self.u32_at(8)
    }

    /// The four bytes at this offset.
    ///
    /// # Panics
    ///
    /// They are not inside the structure.
    #[must_use]
    pub fn u32_at(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes_at(offset))
    }

    /// The eight bytes at this offset.
    ///
    /// # Panics
    ///
    /// They are not inside the structure.
    #[must_use]
    pub fn u64_at(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.bytes_at(offset))
    }

    fn bytes_at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        *rest
            .first_chunk()
            .expect("the field is inside the structure")
    }
}

/// The ids of all links, also of those that are still being attached. No link is touched.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn ids() -> Result<Vec<u32>> {
    all(IdSpace::Link)
}

fn all(space: IdSpace) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut last = 0;
    while let Some(id) = sys::next_id(space, last).with_context(|| format!("{space:?} ids"))? {
        ids.push(id);
        last = id;
    }
    Ok(ids)
}

/// Whether the kernel has a link of this id. The link is not touched.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn exists(id: u32) -> Result<bool> {
    let found = sys::next_id(IdSpace::Link, id.saturating_sub(1)).context("link ids")?;
    Ok(found == Some(id))
}

/// The links whose program or map has a name that begins with `prefix`.
///
/// Each link is opened for a moment, which keeps it alive for that moment: where other tests run,
/// theirs too.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn named(prefix: &str) -> Result<Vec<FoundLink>> {
    named_besides(&mut BTreeSet::new(), prefix)
}

/// The links of this process: those whose program or map has a name that begins with
/// [`names::prefix`].
///
/// A link of somebody else is opened once, which keeps it alive for that moment, and left alone
/// from then on: the kernel gives an id away again only after two thousand million others. So the
/// time that this takes does not depend on how many links others have.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn ours() -> Result<Vec<FoundLink>> {
    static OTHERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    named_besides(&mut others, names::prefix())
}

/// The links with such a name besides those `others`, which get the ids of all links that were
/// opened and have another name.
fn named_besides(others: &mut BTreeSet<u32>, prefix: &str) -> Result<Vec<FoundLink>> {
    let mut found = Vec::new();
    for id in ids()? {
        if others.contains(&id) {
            continue;
        }
        let Some(link) = open(IdSpace::Link, id)? else {
            continue;
        };
        let link = match look_at(id, &link) {
            Ok(link) => link,
            // Another test's, whose file has a path that is too long for the kernel to say anything
            // about the link.
            Err(error) if is_refused_for_a_path(&error) => continue,
            Err(error) => return Err(error),
        };
        if link.name.starts_with(prefix) {
            found.push(link);
        } else if !link.name.is_empty() {
            others.insert(id);
        }
    }
    Ok(found)
}

fn is_refused_for_a_path(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.raw_os_error() == Some(libc::ENAMETOOLONG))
}

/// The programs whose names begin with `prefix`: name and id. No link is touched.
///
/// A link holds its program, and a `struct_ops` link's map holds the programs of its operations, so
/// that where no program is left no link is.
///
/// # Errors
///
/// What the kernel answered; `EPERM` without `CAP_SYS_ADMIN`.
pub fn programs_named(prefix: &str) -> Result<Vec<(String, u32)>> {
    let mut found = Vec::new();
    for id in all(IdSpace::Program)? {
        let Some(program) = open(IdSpace::Program, id)? else {
            continue;
        };
        let name = names::from_info(sys::prog_info(program.as_fd())?.name);
        if name.starts_with(prefix) {
            found.push((name, id));
        }
    }
    Ok(found)
}

/// Opens an object of the kernel; none where it has gone meanwhile, or is not there yet.
fn open(space: IdSpace, id: u32) -> Result<Option<OwnedFd>> {
    match sys::fd_by_id(space, id) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if is_gone(&error) || error.raw_os_error() == Some(libc::EAGAIN) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("opening {space:?} {id}")),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}

fn look_at(id: u32, link: &OwnedFd) -> Result<FoundLink> {
    let info = LinkInfo::of(link)?;
    let name = if info.link_type() == BPF_LINK_TYPE_STRUCT_OPS {
        map_name(info.u32_at(16))?
    } else {
        program_name(info.program_id())?
    };
    Ok(FoundLink {
        id,
        link_type: info.link_type(),
        name,
    })
}

fn program_name(id: u32) -> Result<String> {
    match open(IdSpace::Program, id)? {
        Some(program) => Ok(names::from_info(sys::prog_info(program.as_fd())?.name)),
        None => Ok(String::new()),
    }
}

fn map_name(id: u32) -> Result<String> {
    match open(IdSpace::Map, id)? {
        Some(map) => Ok(names::from_info(sys::map_info(map.as_fd())?.name)),
        None => Ok(String::new()),
    }
}
