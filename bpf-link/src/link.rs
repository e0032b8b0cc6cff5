//! The owned descriptor of a link: where it comes from, and what it turns into.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::LinkId;
use crate::kind::LinkKind;
use crate::pin::path::PinPath;
use crate::rejected::Rejected;
use crate::sys;

/// An owned file descriptor of a link.
///
/// Dropping it closes the descriptor and does nothing else. The program stays attached as long as
/// the link has a descriptor, in any process, or a pin. To detach the program before that, call
/// [`detach`](Self::detach).
///
/// A `RawLink` remembers the path that it was pinned at or opened from. A
/// [clone](Self::try_clone) does not.
#[derive(Debug)]
#[must_use = "dropping a link detaches its program, unless the link is pinned or held elsewhere"]
pub struct RawLink {
    pub(crate) fd: sys::LinkFd,
    pub(crate) pin: Option<PinPath>,
}

impl RawLink {
    pub(crate) fn from_link_fd(fd: sys::LinkFd) -> Self {
        Self { fd, pin: None }
    }

    /// Opens the link with this id.
    ///
    /// The new descriptor keeps the link attached. [`link_ids`](crate::link_ids) lists ids.
    ///
    /// # Errors
    ///
    /// - [`Error::Vanished`] (`ENOENT`): no link has this id.
    /// - [`Error::Unsettled`] (`EAGAIN`): the link is still being attached.
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_SYS_ADMIN` in the first user
    ///   namespace.
    /// - [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_GET_FD_BY_ID` since Linux 5.8, which ends in `bpf_link_by_id` (7.3).
    pub fn from_id(id: LinkId) -> Result<Self> {
        let fd = sys::link_get_fd_by_id(id.get()).map_err(|source| {
            let error = CommandError::new(Command::LinkGetFdById, Target::Link(id), source);
            match error.errno() {
                Some(libc::EAGAIN) => Error::Unsettled(error),
                _ => error.classify_by_id(),
            }
        })?;
        Ok(Self::from_link_fd(fd))
    }

    /// A second descriptor of the same link. It does not remember the pin.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with `EMFILE`: the process has no descriptor left.
    ///
    /// # Kernel
    ///
    /// `fcntl(2)` with `F_DUPFD_CLOEXEC`.
    pub fn try_clone(&self) -> Result<Self> {
        match self.fd.try_clone() {
            Ok(fd) => Ok(Self::from_link_fd(fd)),
            Err(source) => Err(self.error(Command::Duplicate, source).classify()),
        }
    }

    /// The kind of the link. Asks the kernel once; a link's kind never changes.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    #[inline]
    pub fn kind(&self) -> Result<LinkKind> {
        self.identity()
            .map(|identity| LinkKind::from_raw(identity.kind))
    }

    /// The id of the link, which never changes. Asks the kernel once, or not at all if the link was
    /// opened by its id.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    pub fn id(&self) -> Result<LinkId> {
        if let Some(id) = LinkId::new(self.fd.known_id()) {
            return Ok(id);
        }
        let identity = self.identity()?;
        LinkId::new(identity.id).ok_or_else(|| self.no_id())
    }

    #[inline]
    fn identity(&self) -> Result<sys::Identity> {
        self.fd
            .identity()
            .map_err(|source| self.info_refused(source))
    }

    /// A link that the caller holds always has an id. If a kernel says otherwise, that is an error,
    /// not a panic.
    pub(crate) fn no_id(&self) -> Error {
        let source =
            std::io::Error::new(std::io::ErrorKind::InvalidData, "the kernel gave the id 0");
        Error::Command(CommandError::new(
            Command::ObjGetInfoByFd,
            self.target(),
            source,
        ))
    }

    /// What errors call this link: its pin, if it remembers one, and its id. Asks the kernel for
    /// the id if it is not known yet. [`Target::Descriptor`] if there is neither.
    #[must_use]
    pub fn target(&self) -> Target {
        let asked = || self.fd.identity().map_or(0, |identity| identity.id);
        let link = LinkId::new(self.fd.known_id()).or_else(|| LinkId::new(asked()));
        match (&self.pin, link) {
            (Some(pin), link) => Target::Pin {
                path: pin.path().to_owned(),
                link,
            },
            (None, Some(id)) => Target::Link(id),
            (None, None) => Target::Descriptor,
        }
    }

    pub(crate) fn error(&self, command: Command, source: std::io::Error) -> CommandError {
        CommandError::new(command, self.target(), source)
    }
}

/// Takes ownership of a descriptor, after checking that it is a link.
///
/// The check is an update that cannot succeed (`BPF_LINK_UPDATE` without a program), because the
/// infos of programs, maps and BTF look like a link's.
impl TryFrom<OwnedFd> for RawLink {
    type Error = Rejected<OwnedFd>;

    fn try_from(fd: OwnedFd) -> Result<Self, Self::Error> {
        match sys::LinkFd::check(fd) {
            Ok(fd) => Ok(Self::from_link_fd(fd)),
            Err((fd, None)) => Err(Rejected::new(fd, Error::NotALink(Target::Descriptor))),
            Err((fd, Some(source))) => {
                let error = CommandError::new(Command::LinkUpdate, Target::Descriptor, source);
                Err(Rejected::new(fd, error.classify()))
            }
        }
    }
}

/// Returns the descriptor. A pin stays where it is.
impl From<RawLink> for OwnedFd {
    fn from(link: RawLink) -> Self {
        link.fd.into_fd()
    }
}

impl AsFd for RawLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
