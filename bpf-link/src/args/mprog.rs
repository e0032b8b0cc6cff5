//! The position of a link among the programs of its hook.

pub(crate) mod anchor;
pub(crate) mod cgroup_order;

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link_sys as c;

use crate::id::{LinkId, ProgramId};

/// The position of a tcx (since Linux 6.6), netkit (since Linux 6.7) or cgroup (since Linux 6.17)
/// link.
///
/// [`AttachFlags::BEFORE`](crate::AttachFlags::BEFORE) or
/// [`AttachFlags::AFTER`](crate::AttachFlags::AFTER) says on which side of the anchor; without an
/// anchor, first or last.
#[derive(Clone, Copy, Debug, Default)]
pub struct MprogArgs<'a> {
    pub(crate) anchor: Option<Anchor<'a>>,
    pub(crate) expected_revision: u64,
}

/// The program that a link is placed before or after.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Anchor<'a> {
    /// The program of this link.
    Link(BorrowedFd<'a>),
    /// The program of the link with this id.
    LinkId(LinkId),
    /// This program. Not for cgroup links.
    Program(BorrowedFd<'a>),
    /// The program with this id. Not for cgroup links.
    ProgramId(ProgramId),
}

impl<'a> MprogArgs<'a> {
    /// The default position, at any revision.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The program that this link is placed before or after.
    #[must_use]
    pub fn anchor(mut self, anchor: Anchor<'a>) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Only if the hook's list of programs still has this revision; 0, as without this call, for
    /// any.
    #[must_use]
    pub fn expected_revision(mut self, revision: u64) -> Self {
        self.expected_revision = revision;
        self
    }
}

impl<'a> Anchor<'a> {
    /// The program of this link.
    pub fn link(link: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Link(link.as_fd())
    }

    /// This program.
    pub fn program(program: &'a (impl AsFd + ?Sized)) -> Self {
        Self::Program(program.as_fd())
    }

    /// All bits of the creation's flags that tell the kernel what the anchor is.
    pub(crate) const FLAGS: u32 = c::BPF_F_LINK | c::BPF_F_ID;

    /// The bits of the creation's flags that tell the kernel what the anchor is.
    pub(crate) fn flags(self) -> u32 {
        match self {
            Self::Link(_) => c::BPF_F_LINK,
            Self::LinkId(_) => c::BPF_F_LINK | c::BPF_F_ID,
            Self::Program(_) => 0,
            Self::ProgramId(_) => c::BPF_F_ID,
        }
    }
}
