//! What a run ends with, whether that is still there, and letting go of it only then.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bpf_link::{LinkId, PinEntry, PinLock};

use crate::ensure::outcome::{Attached, Displaced, LeftOver, Outcome};
use crate::ensure::recipe::KindLink;
use crate::ensure::standing::{Standing, Stopped};
use crate::error::{Error, Rejected, Result};
use crate::link::let_go::{let_go, lock_to_stop};

/// What [`Ensure::run`](crate::Ensure::run) ends with: the link, and what was done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ensured<L> {
    /// The link, which remembers its pin. Dropping it changes nothing: the pin keeps the link.
    pub link: L,
    /// What was done.
    pub outcome: Outcome,
    /// The link that was on the hook without this pin, and was taken over:
    /// [`Ensure::take_over`](crate::Ensure::take_over).
    pub taken_over: Option<LinkId>,
    /// What a run that was killed had left beside the pin, and what became of it.
    pub left_over: Option<LeftOver>,
    /// A link that had to make way for another one that was there already: the one beside the pin
    /// ([`LeftOver::Removed`]), or one that was pinned at the path when a left-over link
    /// ([`LeftOver::Finished`]) or one that was [taken over](Self::taken_over) got its place.
    pub displaced: Option<Displaced>,
    /// Whether the link is in the position that was asked for, according to the hook's own list.
    /// `None` if no position was asked for, or if it cannot be told: the list of a cgroup has
    /// programs and no links, so it does not tell the position of a program that is on it twice,
    /// or of any program for [`CgroupHook::Lsm`](crate::CgroupHook::Lsm). For a link of a set, see
    /// [`SetLink::is_in_place`](crate::set::SetLink::is_in_place).
    pub is_in_place: Option<bool>,
    /// What is to be there as long as nobody else has taken over.
    pub(super) left: Left<L>,
}

/// What a run has left, by which it is told from what others leave there.
pub(super) struct Left<L> {
    pub(super) path: PathBuf,
    pub(super) file: FileId,
    pub(super) link: LinkId,
    pub(super) attached: Attached,
    /// How long a stop waits for the lock.
    pub(super) lock_within: Duration,
    /// Asks what is attached by a link.
    pub(super) ask: fn(&L) -> Result<Option<Attached>>,
}

impl<L> Left<L> {
    /// Takes the lock to stop; `None` if the pin's directory is missing.
    pub(super) fn lock(&self) -> Result<Option<PinLock>> {
        Ok(lock_to_stop(&self.path, self.lock_within)?)
    }
}

impl<L> fmt::Debug for Left<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Left")
            .field("path", &self.path)
            .field("file", &self.file)
            .field("link", &self.link)
            .field("attached", &self.attached)
            .field("lock_within", &self.lock_within)
            .finish_non_exhaustive()
    }
}

/// A file, whatever it is called: each pin is a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of what is at this path; `None` if nothing is.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(Self {
                device: metadata.dev(),
                inode: metadata.ino(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

impl<L: KindLink> Ensured<L> {
    /// Whether everything is as this run left it: the link has the same pin and runs the same
    /// program. Whether the hook still exists is in the link's info.
    ///
    /// Every run leaves a new pin, even if its program was running already. So an agent that calls
    /// this now and then notices when another has taken over, even with the very same program.
    /// [`standing`](Self::standing) says what has happened.
    ///
    /// # Errors
    ///
    /// As [`standing`](Self::standing).
    pub fn is_ours(&self) -> Result<bool> {
        Ok(self.standing()? == Standing::Ours)
    }

    /// What has become of the link and pin that this run left.
    ///
    /// # Errors
    ///
    /// - [`Error::Link`] with what [`PinEntry::at`] and [`RawLink::info`](bpf_link::RawLink::info)
    ///   refuse.
    /// - [`Error::File`]: the path could not be looked at.
    pub fn standing(&self) -> Result<Standing> {
        let left = &self.left;
        let file = FileId::at(&left.path)?;
        let link = match PinEntry::at(&left.path)? {
            PinEntry::Missing => return Ok(Standing::NotPinned),
            PinEntry::NotALink => return Ok(Standing::NotSuchALink),
            PinEntry::Link(link) => link,
        };
        let link = match L::try_from(link).map_err(Rejected::into_parts) {
            Ok(link) => link,
            Err((_, Error::WrongKind { .. })) => return Ok(Standing::NotSuchALink),
            Err((_, error)) => return Err(error),
        };
        let id = link.raw().id()?;
        let attached = (left.ask)(&link)?;
        Ok(match attached {
            Some(attached) if id == left.link && attached == left.attached => {
                if file == Some(left.file) {
                    Standing::Ours
                } else {
                    Standing::PinnedAnew { attached }
                }
            }
            by => Standing::Overtaken { link: id, by },
        })
    }

    /// Detaches the program and removes the pin, if everything is still as this run left it. If
    /// another run has taken over, its program, link and pin stay as they are. Our descriptor is
    /// closed in any case.
    ///
    /// Stops and runs in the same directory take turns: [`PinLock`](bpf_link::PinLock). A stop
    /// waits for the lock as long as the run did:
    /// [`Ensure::lock_within`](crate::Ensure::lock_within), or
    /// [`LinkSet::lock_within`](crate::LinkSet::lock_within) for a link of a set. An agent that
    /// ends with this never detaches its successor's program. To leave its own program attached, an
    /// agent simply ends.
    ///
    /// ```no_run
    /// use bpf_link_typed::ensure::{Standing, Stopped};
    /// use bpf_link_typed::{Attach as _, TcxAttach, TcxHook};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let ensured = TcxAttach::to("eth0", TcxHook::Ingress)
    ///     .ensure_pinned("/sys/fs/bpf/agent/eth0_ingress")
    ///     .run(&program)?;
    /// match ensured.stop()? {
    ///     Stopped::LetGo => println!("nothing is attached any more"),
    ///     Stopped::Left(Standing::Overtaken { by, .. }) => println!("{by:?} has taken over"),
    ///     stopped => println!("{stopped}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - As [`standing`](Self::standing), [`RawLink::unpin`](bpf_link::RawLink::unpin) and, except
    ///   for a missing directory, [`PinLock::of_within`](bpf_link::PinLock::of_within): nothing was
    ///   changed.
    /// - As [`RawLink::detach`](bpf_link::RawLink::detach): the pin was removed, and the kernel
    ///   frees the link with its last descriptor.
    pub fn stop(self) -> Result<Stopped> {
        match self.left.lock()? {
            Some(_lock) => self.stop_locked(),
            None => Ok(Stopped::Left(Standing::NotPinned)),
        }
    }

    /// The same, for a caller who has the lock.
    pub(super) fn stop_locked(mut self) -> Result<Stopped> {
        match self.standing()? {
            Standing::Ours => {
                let_go(self.link.raw_mut())?;
                // Before the lock is given up: the next run finds nothing of it.
                drop(self.link);
                Ok(Stopped::LetGo)
            }
            standing => Ok(Stopped::Left(standing)),
        }
    }
}
