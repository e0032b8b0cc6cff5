//! The steps of a run for one link of a set, whatever its kind.

use std::os::fd::BorrowedFd;

use bpf_link::{LinkId, LinkKind, RawLink};

use crate::attach::position::Position;
use crate::ensure::hook_id::HookId;
use crate::ensure::member::kept::{End, Kept};
use crate::ensure::on_hook::OnHook;
use crate::ensure::outcome::{Attached, Why};
use crate::ensure::plan::Planned;
use crate::ensure::recipe::{Blocks, Match};
use crate::ensure::seen::Hook;
use crate::error::{Error, Result};
use crate::info::buf::InfoBuf;

/// A link that is wanted, once it is known what is to be attached.
pub(crate) trait Ready<'a> {
    fn kind(&self) -> LinkKind;
    fn object(&self) -> BorrowedFd<'_>;
    fn attached(&self) -> Attached;

    /// The hook, if it takes one link only, and as far as that can be told.
    fn exclusive_hook(&self) -> Result<Option<HookId>>;

    /// The hook, if it takes several, which run in an order.
    fn ordered_hook(&self) -> Result<Option<HookId>>;

    /// Looks up what the options name.
    fn look_up(&self) -> Result<()>;

    /// What is on the hook in its order, if the hook says.
    fn on_hook(&self) -> Result<Option<OnHook>>;

    /// Whether the options say where on the hook the link is to be.
    fn is_placed(&self) -> bool;

    /// Whether only an attempt to attach tells where a link is.
    fn attempt_tells(&self) -> bool;

    /// Holds a link of the kind against what is wanted, with memory lent for its info.
    fn judge(&self, link: RawLink, buf: &mut InfoBuf) -> Result<Judged>;

    /// What is done next about a link.
    fn next(&self, at_path: AtPath<'_>, learned: Learned) -> Next;

    /// What would be done about a link, if each step succeeds.
    fn foresee(&self, at_path: AtPath<'_>) -> Planned;

    /// Attaches, in this place on the hook if there is one.
    fn create(&self, place: Option<Position<LinkId>>) -> Result<RawLink, Refused>;

    /// Adds who has the hook to an error that it is taken.
    fn name_holders(&self, refusal: Error) -> Error;

    /// Refuses a program that does not fit the hook, as far as that can be told without attaching
    /// it.
    fn check(&self) -> Result<()>;

    /// How the old program was attached.
    fn way_back(&self, old: &RawLink) -> Result<WayBack<'a>>;

    /// Whether the link is in this place on its hook or, without one, in the place that the options
    /// ask for. `None` if no place was asked for, or if it cannot be told.
    fn in_place(&self, link: &RawLink, place: Option<Position<LinkId>>) -> Result<Option<bool>>;

    /// What the link is to its caller in the end.
    fn kept(&self, end: End) -> Result<Box<dyn Kept>>;
}

/// Attaches the program that it is given as an old one was attached.
pub(crate) type WayBack<'a> = Box<dyn Fn(BorrowedFd<'_>) -> Result<RawLink> + 'a>;

/// A link beside what is wanted.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) link: RawLink,
    pub(crate) id: LinkId,
    pub(crate) found: Match,
    pub(crate) attached: Option<Attached>,
    pub(crate) blocks: Blocks,
}

/// What takes the place of a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AtPath<'a> {
    Nothing,
    /// Something that is not a link of the kind, and may be replaced.
    Other,
    Link(&'a Judged),
}

/// What attempts have told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learned {
    pub(crate) hook: Hook,
    pub(crate) update_refused: bool,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Keep,
    Update,
    Attach(Option<Why>),
    /// As soon as what has just gone from the hook no longer takes it.
    AttachOnceFree(Option<Why>),
    /// The old link goes first.
    OldFirst(Why),
    HookTaken,
}

/// Why nothing was attached.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// What it tells about the hook; `None` if it was not because of what is there.
    pub(crate) hook: Option<Hook>,
}

impl Judged {
    pub(crate) fn is_here(&self) -> bool {
        self.found.is_here()
    }

    /// Whether the kernel says that it is on the hook.
    pub(crate) fn is_surely_here(&self) -> bool {
        self.found.is_surely_here()
    }
}
