//! The steps of a run for the options of one kind.

use std::os::fd::BorrowedFd;

use bpf_link::{LinkId, LinkKind, PinEntry, RawLink};

use crate::attach::position::Position;
use crate::ensure::act::told_by;
use crate::ensure::decide::{Action, Rules, decide};
use crate::ensure::foresee::foresee;
use crate::ensure::hook_id::HookId;
use crate::ensure::look::{Held, judge};
use crate::ensure::member::kept::{self, End, Kept};
use crate::ensure::member::steps::{AtPath, Judged, Learned, Next, Ready, Refused, WayBack};
use crate::ensure::on_hook::OnHook;
use crate::ensure::outcome::Attached;
use crate::ensure::plan::Planned;
use crate::ensure::recipe::{KindLink as _, Recipe, Wanted};
use crate::ensure::rules_of;
use crate::ensure::seen::{Candidate, Found, Seen};
use crate::error::{Error, Result};
use crate::info::buf::InfoBuf;

/// Options, and what is to be attached.
pub(super) struct ReadyBy<'a, A> {
    pub(super) to: A,
    pub(super) wanted: Wanted<'a>,
    pub(super) keep_unreported: bool,
}

impl<'a, A: Recipe + 'a> Ready<'a> for ReadyBy<'a, A> {
    fn kind(&self) -> LinkKind {
        A::Link::KIND
    }

    fn object(&self) -> BorrowedFd<'_> {
        self.wanted.object
    }

    fn attached(&self) -> Attached {
        self.wanted.attached
    }

    fn exclusive_hook(&self) -> Result<Option<HookId>> {
        self.to.exclusive_hook(&self.wanted)
    }

    fn ordered_hook(&self) -> Result<Option<HookId>> {
        self.to.ordered_hook()
    }

    fn look_up(&self) -> Result<()> {
        self.to.look_up(&self.wanted)
    }

    fn on_hook(&self) -> Result<Option<OnHook>> {
        self.to.on_hook()
    }

    fn is_placed(&self) -> bool {
        self.to.is_placed()
    }

    fn attempt_tells(&self) -> bool {
        A::ATTEMPT_TELLS
    }

    fn judge(&self, link: RawLink, buf: &mut InfoBuf) -> Result<Judged> {
        let link = A::Link::try_from(link)?;
        let info = link.ask_in(buf)?;
        let judged = judge(&self.to, &self.wanted, Held::<A> { link, info })?;
        Ok(Judged {
            link: judged.link.link.into(),
            id: judged.id,
            found: judged.found,
            attached: judged.attached,
            blocks: judged.blocks,
        })
    }

    fn next(&self, at_path: AtPath<'_>, learned: Learned) -> Next {
        let seen = seen(at_path, learned);
        match decide(&seen, &self.rules()) {
            Action::Keep => Next::Keep,
            Action::Update => Next::Update,
            Action::Attach(why) => Next::Attach(why),
            Action::AttachOnceFree(why) => Next::AttachOnceFree(why),
            Action::OldFirst(Some(why)) => Next::OldFirst(why),
            // What is beside the path and links of ours are not part of what was seen.
            _ => Next::HookTaken,
        }
    }

    fn foresee(&self, at_path: AtPath<'_>) -> Planned {
        let mut seen = seen(at_path, Learned::default());
        let foreseen = foresee(&mut seen, &self.rules(), &mut |_| Ok(Vec::new()));
        // Whatever is at the path may be replaced, so nothing is refused.
        foreseen.map_or(Planned::Create, |(_, planned)| planned)
    }

    fn create(&self, place: Option<Position<LinkId>>) -> Result<RawLink, Refused> {
        let created = match place.and_then(|place| self.to.placed(place)) {
            Some(to) => to.create(self.wanted.object),
            None => self.to.create(self.wanted.object),
        };
        created.map(Into::into).map_err(|error| Refused {
            hook: told_by(&error),
            error,
        })
    }

    fn name_holders(&self, refusal: Error) -> Error {
        self.to.name_holders(self.wanted.object, refusal)
    }

    fn check(&self) -> Result<()> {
        self.to.check(&self.wanted)
    }

    fn way_back(&self, old: &RawLink) -> Result<WayBack<'a>> {
        let old = A::Link::try_from(old.try_clone()?)?;
        let to = self.to.way_back(&old.ask()?)?;
        Ok(Box::new(move |program| Ok(to.create(program)?.into())))
    }

    fn in_place(&self, link: &RawLink, place: Option<Position<LinkId>>) -> Result<Option<bool>> {
        let placed = place.and_then(|place| self.to.placed(place));
        let to = placed.as_ref().unwrap_or(&self.to);
        if !to.is_placed() {
            return Ok(None);
        }
        to.in_place(&A::Link::try_from(link.try_clone()?)?)
    }

    fn kept(&self, end: End) -> Result<Box<dyn Kept>> {
        kept::of::<A>(end, self.wanted.attached)
    }
}

impl<A: Recipe> ReadyBy<'_, A> {
    fn rules(&self) -> Rules {
        Rules {
            replace_other: true,
            keep_unreported: self.keep_unreported,
            ..rules_of::<A>(&self.wanted)
        }
    }
}

/// A look that has found this.
fn seen(at_path: AtPath<'_>, learned: Learned) -> Seen<(), ()> {
    Seen {
        at_path: match at_path {
            AtPath::Nothing => PinEntry::Missing,
            AtPath::Other => PinEntry::NotALink,
            AtPath::Link(judged) => PinEntry::Link(Found::OfKind(Candidate {
                link: (),
                id: judged.id,
                found: judged.found,
                attached: judged.attached,
                blocks: judged.blocks,
                is_out_of_place: false,
            })),
        },
        beside: PinEntry::Missing,
        ours: None,
        hook: learned.hook,
        update_refused: learned.update_refused,
    }
}
