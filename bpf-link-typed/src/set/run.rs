//! A set on the way: what is known, what is done about each link, and what was done so far.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use bpf_link::{LinkId, PinEntry, RawLink};

use crate::ensure::member::{FileId, Learned, Waiting, WayBack};
use crate::ensure::{Attached, Why};
use crate::error::{Error, Result};
use crate::set::LinkSet;
use crate::set::directory::Directory;
use crate::set::fate::Fate;
use crate::set::slot::Slot;

/// A set on the way.
pub(super) struct Run<'r, 's> {
    pub(super) set: &'r LinkSet<'s>,
    pub(super) directory: Directory,
    pub(super) slots: Vec<Slot<'r>>,
    /// What is done about each slot.
    pub(super) works: Vec<Work<'r>>,
    /// What was done so far.
    pub(super) steps: Vec<Step>,
    /// What becomes of the directory's links that no slot takes over, by their indices.
    pub(super) fates: HashMap<usize, (Fate, Vec<Rc<OsStr>>)>,
    /// How long hooks may still be taken by what has gone, once for all of them.
    pub(super) until_free: Waiting,
    /// The same where the old link cannot be detached.
    pub(super) until_gone: Waiting,
    /// Links that were taken off, and those by which their programs were attached again.
    pub(super) put_back: Vec<(LinkId, RawLink)>,
    /// Once undoing gives pins back to old links: those links, by slot, each pinned beside the
    /// slot's path so that it always has a pin.
    pub(super) returning: Option<HashMap<usize, RawLink>>,
}

/// What is done about a slot.
#[derive(Default)]
pub(super) struct Work<'r> {
    pub(super) learned: Learned,
    pub(super) way: Option<Way>,
    /// The link, with the pin that it has so far.
    pub(super) link: Option<RawLink>,
    /// How the old program is attached again, where its link is to be taken off first.
    pub(super) back: Option<Back<'r>>,
    /// The pin, once it is at its path.
    pub(super) file: Option<FileId>,
    /// The link that was taken off, and which of the directory's it was.
    pub(super) taken_off: Option<(LinkId, Option<usize>)>,
    /// Undoing has put the old program back with a new link whose only pin is the slot's, so that
    /// pin stays.
    pub(super) keeps_pin: bool,
    /// What was attached by the link that is replaced.
    pub(super) previous: Option<Attached>,
}

/// How the program of a slot comes to run.
#[derive(Debug)]
pub(super) enum Way {
    Keep,
    /// `program` is the old one, if it could be opened.
    Update {
        previous: Attached,
        program: Option<OwnedFd>,
    },
    New(Option<Why>),
    OldFirst(Why),
}

/// An old link that was taken off.
pub(super) struct Back<'r> {
    pub(super) link: LinkId,
    /// It was detached; otherwise it lasts as long as somebody holds it.
    pub(super) is_off: bool,
    pub(super) pins: Vec<Rc<OsStr>>,
    pub(super) program: Option<OwnedFd>,
    pub(super) attach: WayBack<'r>,
}

/// What was done about a slot, by its index.
#[derive(Debug)]
pub(super) enum Step {
    /// A link was attached, and pinned beside its path.
    Attached(usize),
    /// The link was pinned beside its path.
    Pinned(usize),
    /// This old link, which has another name, was pinned beside the path of the new one.
    Marked(usize, RawLink),
    /// The program was put on the link.
    Updated(usize),
    /// The pin was renamed over that of this link.
    Renamed(usize, Option<LinkId>),
    /// The old link was taken off, and perhaps the new one attached.
    OldFirst(usize),
}

impl Run<'_, '_> {
    pub(super) fn take_link(&mut self, index: usize) -> Option<RawLink> {
        self.works.get_mut(index).and_then(|work| work.link.take())
    }

    /// Removes a pin, if it is of this link.
    pub(super) fn unlink(&self, name: &OsStr, id: LinkId) -> Result<()> {
        if let PinEntry::Link(mut link) = PinEntry::at(self.directory.at(name))? {
            if link.id()? == id {
                link.unpin()?;
            }
        }
        Ok(())
    }
}

/// Somebody else has changed the pin or its link.
pub(super) fn overtaken(slot: &Slot<'_>) -> Error {
    Error::Overtaken {
        path: slot.path(),
        left: None,
    }
}

/// The same, where it is not known which.
pub(super) fn overtaken_in(directory: &Path) -> Error {
    Error::Overtaken {
        path: directory.to_owned(),
        left: None,
    }
}

/// Pins a link at this path, over what is there, by way of a path beside that of the name.
pub(super) fn pin_over(
    link: &mut RawLink,
    directory: &mut Directory,
    name: &str,
    path: &Path,
) -> Result<()> {
    link.pin(directory.beside(name))?;
    Ok(link.pin_over(path)?)
}

/// Takes a link off; false if its kind cannot be detached, so that it ends with the last that holds
/// it.
pub(super) fn detach(link: &RawLink) -> Result<bool> {
    use bpf_link::Error::{UnsupportedByKernel, UnsupportedByKind};
    match link.detach() {
        Ok(()) => Ok(true),
        Err(UnsupportedByKind { .. } | UnsupportedByKernel(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
