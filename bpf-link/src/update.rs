//! `BPF_LINK_UPDATE`: replaces the program of a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Command, Error, InvalidRequest, Result};
use crate::flags::UpdateFlags;
use crate::id::MapId;
use crate::info::LinkInfo;
use crate::kind::{LinkKind, UpdateBy};
use crate::link::RawLink;
use crate::object::{MapInfo, ProgramInfo, open_map};
use crate::sys;

/// How often in a row an update of a `struct_ops` link is refused though the link has the map that
/// was expected.
///
/// Other threads that put another map there and the first one back in between can make that so a
/// few times; a security module that is against the update makes it so every time.
const REFUSALS: u32 = 100;

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
    new: BorrowedFd<'a>,
    old: Option<BorrowedFd<'a>>,
    flags: UpdateFlags,
}

impl<'a> Update<'a> {
    /// Replaces the link's program by this one.
    pub fn program(new: &'a (impl AsFd + ?Sized)) -> Self {
        Self {
            new: new.as_fd(),
            old: None,
            flags: UpdateFlags::empty(),
        }
    }

    /// Replaces the map of a `struct_ops` link by this one.
    pub fn map(new: &'a (impl AsFd + ?Sized)) -> Self {
        Self::program(new)
    }

    /// Updates only if the link has this program or map now; sets [`UpdateFlags::REPLACE`].
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
    /// Replaces the link's program (or `struct_ops` map) in one step: each event is seen by exactly
    /// one of the two.
    ///
    /// The link, its pins and its position among other programs stay. The kernel keeps the new
    /// program; the caller's descriptor of it may be closed. A link may be updated to the program
    /// that it already has.
    ///
    /// The kernel crashes if a TCP congestion control link is updated to the map that it already
    /// has (a BUG in `tcp_update_congestion_control`, seen on Linux 6.12, 6.18 and 7.3). So for
    /// `struct_ops`, no update is sent if the link has the map already. Every update that is sent
    /// expects another map: the one named with [`Update::expecting`], or the one that the link was
    /// just seen to have. If another process was faster, this looks again. Opening the map that was
    /// seen takes `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// With these errors, nothing was sent to the kernel:
    ///
    /// - [`Error::InvalidRequest`]: [`UpdateFlags::REPLACE`] is set, and nothing is expected;
    /// - [`Error::MapOutOfReach`] (`EPERM`, `EMFILE`): no map was expected on a `struct_ops` link,
    ///   and the one that it has cannot be opened;
    /// - those of [`info`](Self::info), if the link's kind is not known yet.
    ///
    /// With these, the link is as it was:
    ///
    /// - [`Error::OldProgramMismatch`] (`EPERM`): another program or map than the expected one is
    ///   on the link.
    /// - [`Error::HookGone`] (`ENOLINK`): the hook has gone, or the link was detached.
    /// - [`Error::UnsupportedByKind`] (`EINVAL`, `EOPNOTSUPP`): links of this kind, or of this
    ///   `struct_ops`, are not updated.
    /// - [`Error::WrongObject`] (`EINVAL`): a program was given for a `struct_ops` link, or a map
    ///   for another.
    /// - [`Error::Command`] with
    ///   - `EINVAL`: the new object is not a program, or is of another type or attach type than the
    ///     link's, or a flag is unknown;
    ///   - `EEXIST`: the new program is on the hook already (tcx, netkit);
    ///   - `ENOENT`: the new program is for another hook of the security modules (cgroup).
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_UPDATE` since Linux 5.7, which ends in `link_update` (7.3). It does not compare
    /// attach types for cgroup links: a program for egress can take the place of one for ingress.
    pub fn update<'a>(&self, update: impl Into<Update<'a>>) -> Result<()> {
        let update = update.into();
        if update.old.is_none() && update.flags.contains(UpdateFlags::REPLACE) {
            // The kernel would take descriptor 0 for what is expected.
            let link = Box::new(self.target());
            return Err(InvalidRequest::NothingExpected { link }.into());
        }
        match self.kind()? {
            LinkKind::StructOps => self.update_map(update),
            _ => self.send(update),
        }
    }

    fn send(&self, update: Update<'_>) -> Result<()> {
        sys::link_update(self.as_fd(), update.new, update.old, update.flags.bits())
            .map_err(|source| self.update_refused(update, source))
    }

    /// The update of a `struct_ops` link: never one that would put the map there that is there
    /// already.
    ///
    /// The kernel compares the map that is expected with the link's under the lock of the update.
    /// So an update that expects another map than the new one is safe, whatever others do in the
    /// meantime.
    fn update_map(&self, update: Update<'_>) -> Result<()> {
        let Some(new) = map_id(update.new)? else {
            // The kernel finds out that it is not a map before it looks at the link's.
            return self.send(update);
        };
        match update.old {
            Some(old) if map_id(old)? == Some(new) => self.update_to_the_expected(update, new),
            Some(_) => self.send(update),
            None => self.update_whatever_is_there(update, new),
        }
    }

    /// The new map is also the expected one: there is nothing to do, or the expectation is wrong.
    fn update_to_the_expected(&self, update: Update<'_>, new: MapId) -> Result<()> {
        match self.attached_map()? {
            Some(attached) if attached == new => Ok(()),
            Some(_) => {
                let source = io::Error::from_raw_os_error(libc::EPERM);
                Err(self.update_refused(update, source))
            }
            None => self.update_detached(update),
        }
    }

    /// Expects the map that the link has when we look, and looks again if it is another by then.
    fn update_whatever_is_there(&self, update: Update<'_>, new: MapId) -> Result<()> {
        let mut refusals = 0;
        loop {
            let attached = match self.attached_map()? {
                Some(attached) if attached == new => return Ok(()),
                Some(attached) => attached,
                None => return self.update_detached(update),
            };
            let old = match open_map(attached) {
                Ok(old) => old,
                Err(Error::Vanished(_)) => continue,
                Err(Error::PermissionDenied(source) | Error::Command(source)) => {
                    let link = Box::new(self.target());
                    return Err(Error::MapOutOfReach {
                        link,
                        attached,
                        source,
                    });
                }
                Err(error) => return Err(error),
            };
            match self.send(update.expecting(&old)) {
                Err(Error::OldProgramMismatch { .. }) => refusals = 0,
                Err(Error::PermissionDenied(_)) if refusals < REFUSALS => refusals += 1,
                result => return result,
            }
        }
    }

    /// Lets the kernel say that the link was detached, which is for good: it has no map that could
    /// be there already.
    fn update_detached(&self, update: Update<'_>) -> Result<()> {
        self.send(Update {
            old: None,
            flags: update.flags - UpdateFlags::REPLACE,
            ..update
        })
    }

    fn attached_map(&self) -> Result<Option<MapId>> {
        Ok(self.info()?.struct_ops_map())
    }

    /// What the kernel's refusal means.
    fn update_refused(&self, update: Update<'_>, source: io::Error) -> Error {
        let kind = self.kind().ok();
        let source = self.error(Command::LinkUpdate, source);
        match (source.errno(), kind) {
            (Some(libc::ENOLINK), _) => Error::HookGone(source),
            (Some(libc::EPERM), _) if update.flags.contains(UpdateFlags::REPLACE) => {
                let info = self.info().ok();
                let attached = info.as_ref().and_then(LinkInfo::program_id);
                let map = info.as_ref().and_then(LinkInfo::struct_ops_map);
                if is_expected(update, attached.map(u32::from).or(map.map(u32::from))) {
                    Error::PermissionDenied(source)
                } else {
                    Error::OldProgramMismatch { attached, source }
                }
            }
            (Some(libc::EOPNOTSUPP), Some(kind)) => Error::UnsupportedByKind { kind, source },
            (Some(libc::EINVAL), Some(kind)) => match kind.updated_by() {
                None if kind.is_known() => Error::UnsupportedByKind { kind, source },
                Some(needs) if given(update).is_some_and(|given| given != needs) => {
                    Error::WrongObject {
                        kind,
                        needs,
                        source,
                    }
                }
                _ => Error::Command(source),
            },
            _ => source.classify(),
        }
    }
}

/// What an update was given, however it was spelled; `None` if it is neither.
fn given(update: Update<'_>) -> Option<UpdateBy> {
    if MapInfo::of(&update.new).is_ok() {
        Some(UpdateBy::Map)
    } else {
        let program = ProgramInfo::of(&update.new);
        program.is_ok().then_some(UpdateBy::Program)
    }
}

/// The id of a map; `None` if it is something else.
fn map_id(map: BorrowedFd<'_>) -> Result<Option<MapId>> {
    match MapInfo::of(&map) {
        Ok(info) => Ok(Some(info.id)),
        Err(Error::NotAMap(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the program or map that is on the link is the expected one, as far as the kernel tells.
fn is_expected(update: Update<'_>, attached: Option<u32>) -> bool {
    let expected = update.old.and_then(|old| sys::object_start(old).ok());
    attached.is_some_and(|attached| expected.is_some_and(|expected| expected.id == attached))
}
