//! `BPF_LINK_UPDATE`: another program takes the place of a link's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Command, Error, Result};
use crate::flags::UpdateFlags;
use crate::id::ProgramId;
use crate::kind::{LinkKind, UpdateBy};
use crate::link::RawLink;
use crate::sys;

/// What [`RawLink::update`] puts on a link, and what it expects there.
///
/// A reference to anything with a file descriptor turns into one, as the new program:
///
/// ```no_run
/// # fn example(link: &bpf_link::RawLink, new: std::fs::File, old: std::fs::File) -> bpf_link::Result<()> {
/// use bpf_link::Update;
///
/// link.update(&new)?;
/// link.update(Update::program(&new).expecting(&old))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    by: UpdateBy,
    new: BorrowedFd<'a>,
    old: Option<BorrowedFd<'a>>,
    flags: UpdateFlags,
}

impl<'a> Update<'a> {
    /// A program takes the place of the link's program.
    pub fn program(new: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            by: UpdateBy::Program,
            new: new.as_fd(),
            old: None,
            flags: UpdateFlags::empty(),
        }
    }

    /// A `struct_ops` map takes the place of the link's map.
    pub fn map(new: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            by: UpdateBy::Map,
            ..Self::program(new)
        }
    }

    /// Only if the link has this program or map now; sets [`UpdateFlags::REPLACE`].
    #[must_use]
    pub fn expecting(mut self, old: &'a (impl AsFd + ?Sized)) -> Self {
        self.old = Some(old.as_fd());
        self.flags |= UpdateFlags::REPLACE;
        self
    }

    /// More flags.
    #[must_use]
    pub fn flags(mut self, flags: UpdateFlags) -> Self {
        self.flags |= flags;
        self
    }
}

impl<'a, T: AsFd + ?Sized> From<&'a T> for Update<'a> {
    fn from(new: &'a T) -> Self {
        Self::program(new)
    }
}

impl RawLink {
    /// Puts another program (or `struct_ops` map) in the place of the link's, in one step: every event is seen by the
    /// one or the other, none by both or neither.
    ///
    /// The link, its pins and its position among other programs stay. The kernel keeps the new program; the caller's
    /// descriptor of it may be closed. The program that is there already may be put there again.
    ///
    /// A map that is on its link already stays there without the kernel being asked to put it there: the kernel's TCP
    /// would add it to its list of congestion controls twice, and crash (`tcp_update_congestion_control`, seen on Linux
    /// 6.12, 6.18 and 7.3). Another process can put the same map there in the moment between our look and our update;
    /// to expect the map that is to go, as [`Update::expecting`] does, leaves no such moment.
    ///
    /// # Errors
    ///
    /// The link is as it was, with
    ///
    /// - [`Error::OldProgramMismatch`] (`EPERM`): another program or map than the expected one is on the link.
    /// - [`Error::HookGone`] (`ENOLINK`): the hook has gone, or the link was detached.
    /// - [`Error::UnsupportedByKind`] (`EINVAL`, `EOPNOTSUPP`): links of this kind, or of this `struct_ops`, are not
    ///   updated.
    /// - [`Error::WrongObject`] (`EINVAL`): a program was given for a `struct_ops` link, or a map for another.
    /// - [`Error::Command`] with
    ///   - `EINVAL`: the new program is none, or is of another type or attach type than the link's, or a flag is
    ///     unknown;
    ///   - `EEXIST`: the new program is on the hook already (tcx, netkit);
    ///   - `ENOENT`: the new program is for another hook of the security modules (cgroup).
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_UPDATE` since Linux 5.7, which ends in `link_update` (7.3). It does not compare attach types for
    /// cgroup links: a program for egress can take the place of one for ingress.
    pub fn update<'a>(&self, update: impl Into<Update<'a>>) -> Result<()> {
        let update = update.into();
        if update.by == UpdateBy::Map && self.has_the_map(update)? {
            return Ok(());
        }
        sys::link_update(self.as_fd(), update.new, update.old, update.flags.bits())
            .map_err(|source| self.update_refused(update, source))
    }

    /// Whether the new map is on this `struct_ops` link already, and no other is expected.
    ///
    /// Where that cannot be told, nothing may be sent: the kernel would crash if it were so.
    fn has_the_map(&self, update: Update<'_>) -> Result<bool> {
        if self.kind()? != LinkKind::StructOps {
            return Ok(false);
        }
        let new = self.object_id(update.new)?;
        let expects_it = match update.old {
            Some(old) => self.object_id(old)? == new,
            None => true,
        };
        Ok(expects_it && new.is_some() && new == self.info()?.struct_ops_map())
    }

    /// The id of what is to be put on the link; `None` if it is no object of BPF, which the kernel refuses as a map.
    fn object_id(&self, object: BorrowedFd<'_>) -> Result<Option<u32>> {
        match sys::object_start(object) {
            Ok(start) => Ok(Some(start.id)),
            Err(source) if source.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(source) => Err(self.error(Command::ObjGetInfoByFd, source).classify()),
        }
    }

    /// What the kernel's refusal means.
    fn update_refused(&self, update: Update<'_>, source: io::Error) -> Error {
        let kind = self.kind().ok();
        let source = self.error(Command::LinkUpdate, source);
        match (source.errno(), kind) {
            (Some(libc::ENOLINK), _) => Error::HookGone(source),
            (Some(libc::EPERM), _) if update.flags.contains(UpdateFlags::REPLACE) => {
                let attached = self.info().ok().and_then(|info| info.program_id());
                if is_expected(update, attached) {
                    Error::PermissionDenied(source)
                } else {
                    Error::OldProgramMismatch { attached, source }
                }
            }
            (Some(libc::EOPNOTSUPP), Some(kind)) => Error::UnsupportedByKind { kind, source },
            (Some(libc::EINVAL), Some(kind)) => match kind.updated_by() {
                None if kind.is_known() => Error::UnsupportedByKind { kind, source },
                Some(needs) if needs != update.by => Error::WrongObject {
                    kind,
                    needs,
                    source,
                },
                _ => Error::Command(source),
            },
            _ => source.classify(),
        }
    }
}

/// Whether the program that is on the link is the expected one, as far as the kernel tells.
fn is_expected(update: Update<'_>, attached: Option<ProgramId>) -> bool {
    let expected = update.old.and_then(|old| sys::object_start(old).ok());
    attached.is_some_and(|attached| expected.is_some_and(|expected| expected.id == attached.get()))
}
