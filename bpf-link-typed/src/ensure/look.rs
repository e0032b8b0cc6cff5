//! One look at what there is: the info of each link is asked once.

use std::path::Path;

use bpf_link::{Command, LinkId, LinkKind, PinEntry, RawLink};

use crate::ensure::ours::Ours;
use crate::ensure::outcome::Attached;
use crate::ensure::place::Place;
use crate::ensure::recipe::{InfoOf, KindLink as _, Old, Recipe, Wanted};
use crate::ensure::seen::{Candidate, Found, Hook, Other, Seen};
use crate::error::{Error, Rejected, Result};

/// A link of the kind, and what the kernel says about it.
pub(super) struct Held<A: Recipe> {
    pub(super) link: A::Link,
    pub(super) info: InfoOf<A>,
}

impl<A: Recipe> Found<Held<A>, RawLink> {
    /// The link, of whichever kind, and its id.
    pub(super) fn into_raw(self) -> (RawLink, LinkId) {
        match self {
            Self::OfKind(found) => (found.link.link.into(), found.id),
            Self::OtherKind(found) => (found.link, found.id),
        }
    }
}

/// What a look finds by these options.
pub(super) type SeenBy<A> = Seen<Held<A>, RawLink>;

/// Looks at what is at the path, and beside it.
pub(super) fn look<A: Recipe>(to: &A, wanted: &Wanted<'_>, place: &Place) -> Result<SeenBy<A>> {
    Ok(Seen {
        at_path: look_at(to, wanted, &place.path)?,
        beside: look_beside(to, wanted, place)?,
        ours: None,
        hook: Hook::NotTried,
        update_refused: false,
    })
}

/// What is at the first name beside the path that nothing is in the way of.
fn look_beside<A: Recipe>(
    to: &A,
    wanted: &Wanted<'_>,
    place: &Place,
) -> Result<PinEntry<Found<Held<A>, RawLink>>> {
    for path in place.beside() {
        match look_at(to, wanted, &path) {
            Ok(PinEntry::NotALink) => {}
            Ok(PinEntry::Link(_)) if place.is_another_users(&path)? => {}
            Err(Error::Link(error)) if is_somebody_elses(&error) => {}
            entry => return entry,
        }
    }
    Ok(PinEntry::NotALink)
}

/// Whether a pin may not be opened, as it is another user's.
pub(super) fn is_somebody_elses(error: &bpf_link::Error) -> bool {
    matches!(error, bpf_link::Error::PermissionDenied(error) if error.command() == Command::ObjGet)
}

fn look_at<A: Recipe>(
    to: &A,
    wanted: &Wanted<'_>,
    path: &Path,
) -> Result<PinEntry<Found<Held<A>, RawLink>>> {
    Ok(match PinEntry::at(path)? {
        PinEntry::Missing => PinEntry::Missing,
        PinEntry::NotALink => PinEntry::NotALink,
        PinEntry::Link(link) => PinEntry::Link(
            match A::Link::try_from(link).map_err(Rejected::into_parts) {
                Ok(link) => Found::OfKind(judge(to, wanted, held::<A>(link)?)?),
                Err((link, Error::WrongKind { found, .. })) => {
                    Found::OtherKind(other(link, found)?)
                }
                Err((_, error)) => return Err(error),
            },
        ),
    })
}

/// A link of another kind. What the kernel does not tell about it is not needed to replace it.
fn other(link: RawLink, kind: LinkKind) -> Result<Other<RawLink>> {
    let attached = link.info().ok().and_then(|info| Attached::by(&info));
    Ok(Other {
        id: link.id()?,
        kind,
        attached,
        link,
    })
}

fn held<A: Recipe>(link: A::Link) -> Result<Held<A>> {
    let info = link.ask()?;
    Ok(Held { link, info })
}

/// Holds a link against what is wanted.
pub(super) fn judge<A: Recipe>(
    to: &A,
    wanted: &Wanted<'_>,
    held: Held<A>,
) -> Result<Candidate<Held<A>>> {
    let found = to.compare(&held.link, &held.info, wanted)?;
    let attached = A::attached(&held.info);
    let blocks = to.blocks(&Old {
        info: &held.info,
        found,
        same_program: attached == Some(wanted.attached),
    })?;
    let (id, _) = A::Link::id_and_program(&held.info);
    let is_out_of_place =
        found.is_here() && to.in_place(&held.link)? == Some(false) && to.has_position()?;
    Ok(Candidate {
        is_out_of_place,
        link: held,
        id,
        found,
        attached,
        blocks,
    })
}

/// Looks for our links on the hook, except `but`. `pin` is the path that errors name.
pub(super) fn search<A: Recipe>(
    to: &A,
    wanted: &Wanted<'_>,
    ours: &Ours,
    but: Option<LinkId>,
    pin: &Path,
) -> Result<Vec<Candidate<Held<A>>>> {
    find(to, wanted, ours, but).map_err(search_denied(pin))
}

/// Looks for all links of ours, of whatever kind and hook; those that are known are not among them.
pub(crate) fn search_all(
    ours: &Ours,
    directory: &Path,
    is_known: impl Fn(LinkId) -> bool,
) -> Result<Vec<RawLink>> {
    find_all(ours, is_known).map_err(search_denied(directory))
}

fn search_denied(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Link(source @ bpf_link::Error::PermissionDenied(_)) => Error::SearchDenied {
            path: path.to_owned(),
            source,
        },
        error => error,
    }
}

/// Whether an info was refused because of the link, and not because of the caller or the moment.
fn is_about_the_link(refusal: &Error) -> bool {
    !matches!(
        refusal.errno(),
        None | Some(
            libc::EPERM
                | libc::EINTR
                | libc::EBADF
                | libc::EAGAIN
                | libc::ENOMEM
                | libc::EACCES
                | libc::EFAULT
                | libc::EINVAL
                | libc::ENFILE
                | libc::EMFILE
        )
    )
}

fn find<A: Recipe>(
    to: &A,
    wanted: &Wanted<'_>,
    ours: &Ours,
    but: Option<LinkId>,
) -> Result<Vec<Candidate<Held<A>>>> {
    let mut found = Vec::new();
    let mut look_at = |link: RawLink| -> Result<()> {
        if Some(link.id()?) == but {
            return Ok(());
        }
        let held = match held_of_kind::<A>(link) {
            // A link that the kernel says nothing about spoils nothing for the others.
            Err(refusal) if is_about_the_link(&refusal) => None,
            answer => answer?,
        };
        let Some(held) = held else {
            return Ok(());
        };
        let Some(attached) = A::attached(&held.info) else {
            return Ok(());
        };
        if ours.is(attached)? {
            let candidate = judge(to, wanted, held)?;
            if candidate.is_here() {
                found.push(candidate);
            }
        }
        Ok(())
    };
    match to.links_on_hook()? {
        Some(ids) => {
            for id in ids {
                match RawLink::from_id(id) {
                    Err(bpf_link::Error::Vanished(_) | bpf_link::Error::Unsettled(_)) => {}
                    link => look_at(link?)?,
                }
            }
        }
        None => {
            for link in bpf_link::links() {
                look_at(link?)?;
            }
        }
    }
    Ok(found)
}

/// The link with what the kernel says about it, if it is of the kind.
fn held_of_kind<A: Recipe>(link: RawLink) -> Result<Option<Held<A>>> {
    if link.kind()? != A::Link::KIND {
        return Ok(None);
    }
    held::<A>(A::Link::try_from(link)?).map(Some)
}

fn find_all(ours: &Ours, is_known: impl Fn(LinkId) -> bool) -> Result<Vec<RawLink>> {
    let mut found = Vec::new();
    for link in bpf_link::links() {
        let link = link?;
        if is_known(link.id()?) {
            continue;
        }
        let attached = match Attached::of(&link).map_err(Error::from) {
            // A link that the kernel says nothing about spoils nothing for the others.
            Err(refusal) if is_about_the_link(&refusal) => None,
            answer => answer?,
        };
        if let Some(attached) = attached {
            if ours.is(attached)? {
                found.push(link);
            }
        }
    }
    Ok(found)
}
