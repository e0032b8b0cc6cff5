//! A link of any kind.

mod left_over;
pub(crate) mod let_go;
pub(crate) mod link_type;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use bpf_link::{LinkId, LinkKind, PinEntry, PinLock, RawLink, Update, UpdateBy};

use crate::ensure::{Attached, Ours, Standing, Stopped};
use crate::error::{Rejected, Result};
use crate::info::buf::{Asked, InfoBuf};
use crate::info::{LinkInfo, LinkInfoRef};
use crate::link::left_over::let_go_of_left_over;
use crate::link::let_go::{let_go, lock_to_stop};
use crate::other::OtherLink;

macro_rules! define {
    ($( $Variant:ident: $Link:ident, $Info:ident, $InfoRef:ident $(<$a:lifetime>)?, $Attach:ident $(<$b:lifetime>)? of $object:ident; )+) => {
        /// A link of any kind.
        ///
        /// It has the operations of all kinds. If the link's own kind does not have one, the kernel
        /// refuses it, and the error is
        /// [`UnsupportedByKind`](bpf_link::Error::UnsupportedByKind) with the kind, the command and
        /// the kernel's error number.
        #[derive(Debug)]
        #[must_use = "dropping a link detaches its program, unless the link is pinned or held elsewhere"]
        #[non_exhaustive]
        pub enum Link {
            $(
                #[doc = concat!("See [`", stringify!($Link), "`](crate::", stringify!($Link), ").")]
                $Variant(crate::$Link),
            )+
            /// A link of a kind that is newer than this release.
            Other(OtherLink),
        }

        impl Link {
            #[inline]
            fn of_kind(link: RawLink, kind: LinkKind) -> Self {
                match kind {
                    $( LinkKind::$Variant => Self::$Variant(crate::$Link(link)), )+
                    kind => Self::Other(OtherLink(link, kind)),
                }
            }

            /// The kind of the link.
            #[must_use]
            pub fn kind(&self) -> LinkKind {
                match self {
                    $( Self::$Variant(_) => LinkKind::$Variant, )+
                    Self::Other(link) => link.kind(),
                }
            }

            /// The link without its kind.
            pub fn as_raw(&self) -> &RawLink {
                match self {
                    $( Self::$Variant(link) => link.as_raw(), )+
                    Self::Other(link) => link.as_raw(),
                }
            }

            /// Not for users: what they put there might be of another kind.
            fn as_raw_mut(&mut self) -> &mut RawLink {
                match self {
                    $( Self::$Variant(link) => &mut link.0, )+
                    Self::Other(link) => &mut link.0,
                }
            }

            /// Asks the kernel for everything that it says about this link, into a lent buffer.
            ///
            /// As many system calls as the kind's own type makes, and no allocation if the buffer
            /// is large enough from an earlier use.
            ///
            /// # Errors
            ///
            /// As [`RawLink::info_with`].
            pub fn info_in<'b>(&self, buf: &'b mut InfoBuf) -> Result<LinkInfoRef<'b>> {
                match self {
                    $(
                        Self::$Variant(link) => {
                            let filled = crate::$Link::fill(link.as_raw(), Asked::NotYet, buf)?;
                            let info = crate::$InfoRef::parse(&filled.answer()?);
                            Ok(LinkInfoRef::$Variant(info))
                        }
                    )+
                    Self::Other(link) => Ok(LinkInfoRef::Other(link.info_in(buf)?)),
                }
            }
        }

        $(
            impl From<crate::$Link> for Link {
                fn from(link: crate::$Link) -> Self {
                    Self::$Variant(link)
                }
            }

            /// A refused link is given back.
            impl TryFrom<Link> for crate::$Link {
                type Error = Rejected<Link>;

                fn try_from(link: Link) -> ::core::result::Result<Self, Self::Error> {
                    match link {
                        Link::$Variant(link) => Ok(link),
                        link => {
                            let (found, target) = (link.kind(), link.as_raw().target());
                            Err(Rejected::wrong_kind(link, target, Some(Self::KIND), found))
                        }
                    }
                }
            }
        )+

        impl From<Link> for RawLink {
            fn from(link: Link) -> Self {
                match link {
                    $( Link::$Variant(link) => link.0, )+
                    Link::Other(link) => link.0,
                }
            }
        }
    };
}
crate::kinds::for_every_kind!(define);

impl Link {
    /// Opens the link that is pinned at this path, and remembers the path.
    ///
    /// # Errors
    ///
    /// As [`RawLink::from_pinned`].
    pub fn from_pinned(path: impl AsRef<Path>) -> Result<Self> {
        Ok(RawLink::from_pinned(path)?.try_into()?)
    }

    /// Opens the link that is pinned at this path, relative to an open directory, and remembers
    /// both.
    ///
    /// # Errors
    ///
    /// As [`RawLink::from_pinned_at`].
    pub fn from_pinned_at(dir: impl AsFd, path: impl AsRef<Path>) -> Result<Self> {
        Ok(RawLink::from_pinned_at(dir, path)?.try_into()?)
    }

    /// Opens the link with this id.
    ///
    /// # Errors
    ///
    /// As [`RawLink::from_id`].
    pub fn from_id(id: LinkId) -> Result<Self> {
        Ok(RawLink::from_id(id)?.try_into()?)
    }

    /// A second descriptor of the same link. It does not remember the pin.
    ///
    /// # Errors
    ///
    /// As [`RawLink::try_clone`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self::of_kind(self.as_raw().try_clone()?, self.kind()))
    }

    /// The id of the link. Asks the kernel once at most; a link's id never changes.
    ///
    /// # Errors
    ///
    /// As [`RawLink::id`].
    pub fn id(&self) -> Result<LinkId> {
        Ok(self.as_raw().id()?)
    }

    /// Pins the link at this path on a bpffs, or moves its pin there, so that it stays attached
    /// without a descriptor.
    ///
    /// # Errors
    ///
    /// As [`RawLink::pin`].
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.as_raw_mut().pin(path)?)
    }

    /// Pins the link at this path, relative to an open directory of a bpffs, or moves its pin
    /// there.
    ///
    /// # Errors
    ///
    /// As [`RawLink::pin_at`].
    pub fn pin_at(&mut self, dir: impl AsFd, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.as_raw_mut().pin_at(dir, path)?)
    }

    /// Removes the pin that this link remembers. The descriptor, and so the attachment, stays.
    ///
    /// # Errors
    ///
    /// As [`RawLink::unpin`].
    pub fn unpin(&mut self) -> Result<()> {
        Ok(self.as_raw_mut().unpin()?)
    }

    /// The path at which this link was pinned or opened, as it is remembered.
    #[must_use]
    pub fn pin_path(&self) -> Option<&Path> {
        self.as_raw().pin_path()
    }

    /// Asks the kernel for everything that it says about this link.
    ///
    /// One system call, or two if there are arrays. [`info_in`](Self::info_in) reuses the memory
    /// that the answer is put together in.
    ///
    /// # Errors
    ///
    /// As [`RawLink::info_with`].
    pub fn info(&self) -> Result<LinkInfo> {
        Ok(self.info_in(&mut InfoBuf::new())?.into_owned())
    }

    /// Replaces the link's program in one step; for a `struct_ops` link, its map.
    ///
    /// # Errors
    ///
    /// As [`RawLink::update`].
    pub fn update(&self, new: impl AsFd) -> Result<()> {
        Ok(self.as_raw().update(self.update_by(&new))?)
    }

    /// The same, if `old` is the program or map that the link has.
    ///
    /// # Errors
    ///
    /// As [`RawLink::update`]: [`OldProgramMismatch`](bpf_link::Error::OldProgramMismatch) if it
    /// has another.
    pub fn replace(&self, old: impl AsFd, new: impl AsFd) -> Result<()> {
        Ok(self.as_raw().update(self.update_by(&new).expecting(&old))?)
    }

    fn update_by<'a>(&self, new: &'a impl AsFd) -> Update<'a> {
        match self.kind().updated_by() {
            Some(UpdateBy::Map) => Update::map(new),
            _ => Update::program(new),
        }
    }

    /// Detaches the link from its hook at once, even if others hold it. The link remains, but no
    /// longer does anything.
    ///
    /// # Errors
    ///
    /// As [`RawLink::detach`].
    pub fn detach(&self) -> Result<()> {
        Ok(self.as_raw().detach()?)
    }

    /// Lets go of the link and of the hook: removes the pin that it remembers, detaches it if its
    /// kind can be detached, and closes it. In this order nothing is left over, wherever it is
    /// interrupted.
    ///
    /// It detaches whatever program runs there, and takes no lock. An agent that may have been
    /// taken over stops with [`Ensured::stop`](crate::Ensured::stop). To leave the link to its pin,
    /// just drop it.
    ///
    /// # Errors
    ///
    /// With the link, of which nothing is lost: as [`unpin`](Self::unpin), and [`RawLink::detach`]
    /// where the kind and the kernel can.
    pub fn detach_and_unpin(mut self) -> Result<(), Rejected<Self>> {
        match let_go(self.as_raw_mut()) {
            Ok(()) => Ok(()),
            Err(error) => Err(Rejected::new(self, error.into())),
        }
    }

    /// Lets go of the link that is pinned at this path, and of its hook, if what is attached by it
    /// is ours. Another agent's program, its link and its pin stay as they are.
    ///
    /// This is for a separate process that stops an agent's links. It did not create them, so it
    /// recognizes them by their programs. A link of ours that a killed run has left beside the path
    /// goes as well. It takes turns with runs and other stops in the same
    /// directory: [`PinLock`]. The process that created a link stops it with
    /// [`Ensured::stop`](crate::Ensured::stop).
    ///
    /// ```no_run
    /// use bpf_link_typed::Link;
    /// use bpf_link_typed::ensure::Ours;
    ///
    /// # fn example() -> bpf_link_typed::Result<()> {
    /// let ours = Ours::by_name(c"agent_ingress");
    /// println!("{}", Link::stop("/sys/fs/bpf/agent/eth0_ingress", &ours)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing was let go of, with
    ///
    /// - [`Error::Link`](crate::Error::Link) with
    ///   [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): to ask for a program by
    ///   its id takes `CAP_SYS_ADMIN`;
    /// - those of [`PinLock::of`], except for a directory that is missing, of [`PinEntry::at`] and
    ///   of [`RawLink::unpin`].
    ///
    /// With those of [`RawLink::detach`], the pin was removed, and the link ends when its last
    /// holder closes it.
    pub fn stop(path: impl AsRef<Path>, ours: &Ours) -> Result<Stopped> {
        Self::stop_within(path, ours, PinLock::PATIENCE)
    }

    /// As [`stop`](Self::stop), but waits for the lock no longer than this. With zero it does not
    /// wait.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn stop_within(path: impl AsRef<Path>, ours: &Ours, time: Duration) -> Result<Stopped> {
        let path = path.as_ref();
        let Some(_lock) = lock_to_stop(path, time)? else {
            return Ok(Stopped::Left(Standing::NotPinned));
        };
        let was_beside = let_go_of_left_over(path, ours)?;
        let mut link = match PinEntry::at(path)? {
            PinEntry::Missing if was_beside => return Ok(Stopped::LetGo),
            PinEntry::Missing => return Ok(Stopped::Left(Standing::NotPinned)),
            PinEntry::NotALink => return Ok(Stopped::Left(Standing::NotSuchALink)),
            PinEntry::Link(link) => Self::try_from(link)?,
        };
        let by = Attached::of(link.as_raw())?;
        let is_ours = by.map(|by| ours.is(by)).transpose()?;
        if is_ours != Some(true) {
            let link = link.id()?;
            return Ok(Stopped::Left(Standing::Overtaken { link, by }));
        }
        let_go(link.as_raw_mut())?;
        // Before the lock is given up: the next run finds nothing of it.
        drop(link);
        Ok(Stopped::LetGo)
    }

    /// Starts a new run of an iterator: what the program writes can be read from the file.
    ///
    /// # Errors
    ///
    /// As [`RawLink::create_iter`].
    pub fn create_iter(&self) -> Result<File> {
        Ok(self.as_raw().create_iter()?)
    }
}

/// Asks the kernel for the kind, if it has not said yet. A link whose kind it does not say is given
/// back.
impl TryFrom<RawLink> for Link {
    type Error = Rejected<RawLink>;

    #[inline]
    fn try_from(link: RawLink) -> Result<Self, Self::Error> {
        match link.kind() {
            Ok(kind) => Ok(Self::of_kind(link, kind)),
            Err(error) => Err(Rejected::new(link, error.into())),
        }
    }
}

/// Makes sure that the descriptor is a link. A refused descriptor is given back.
impl TryFrom<OwnedFd> for Link {
    type Error = Rejected<OwnedFd>;

    fn try_from(fd: OwnedFd) -> Result<Self, Self::Error> {
        let link = RawLink::try_from(fd)?;
        Self::try_from(link).map_err(|rejected| rejected.map(OwnedFd::from))
    }
}

/// Gives the descriptor away; a pin stays where it is.
impl From<Link> for OwnedFd {
    fn from(link: Link) -> Self {
        RawLink::from(link).into()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_raw().as_fd()
    }
}

impl From<OtherLink> for Link {
    fn from(link: OtherLink) -> Self {
        Self::Other(link)
    }
}

/// Asks the kernel for the kind, if it has not said yet. A refused link is given back: its kind has
/// a type of its own.
impl TryFrom<RawLink> for OtherLink {
    type Error = Rejected<RawLink>;

    fn try_from(link: RawLink) -> Result<Self, Self::Error> {
        match Link::try_from(link)? {
            Link::Other(link) => Ok(link),
            link => {
                let (kind, target) = (link.kind(), link.as_raw().target());
                Err(Rejected::wrong_kind(link.into(), target, None, kind))
            }
        }
    }
}

/// A refused link is given back.
impl TryFrom<Link> for OtherLink {
    type Error = Rejected<Link>;

    fn try_from(link: Link) -> Result<Self, Self::Error> {
        match link {
            Link::Other(link) => Ok(link),
            link => {
                let (kind, target) = (link.kind(), link.as_raw().target());
                Err(Rejected::wrong_kind(link, target, None, kind))
            }
        }
    }
}
