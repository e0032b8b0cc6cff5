//! Decides what to do about what was seen, as the table in `decisions.md` says. A pure function: it
//! asks the kernel nothing and changes nothing.

#[cfg(test)]
mod table;

use bpf_link::{LinkKind, PinEntry};

use crate::ensure::outcome::{Attached, Why};
use crate::ensure::recipe::Match;
use crate::ensure::seen::{Candidate, Found, Hook, Seen, of_kind};

/// What the caller wants, and what holds for every link of the kind.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(super) struct Rules {
    pub(super) wanted: Attached,
    /// Whatever is at the path may be replaced.
    pub(super) replace_other: bool,
    /// A link that runs the program is kept even if the kernel does not report all of its options.
    pub(super) keep_unreported: bool,
    /// A link that is out of its place is put back there.
    pub(super) restore_position: bool,
    /// What to do about links of ours that are not at the path.
    pub(super) ours: Option<AboutOurs>,
    /// Links of the kind can be updated.
    pub(super) is_updatable: bool,
    /// Set if only an attempt to attach tells where a link of this kind is: the reason to give when
    /// the link turns out to be elsewhere.
    pub(super) attempt_tells: Option<Why>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AboutOurs {
    TakeOver,
    Report,
}

/// The one thing that is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing can be done.
    Refuse(Refusal),
    /// Removes the pin of what was left beside the path, and the link; then looks again.
    RemoveLeftOver,
    /// Removes the pin beside the path, which is of the link that is at the path; then looks again.
    UnpinLeftOver,
    /// Moves what was left beside the path to the path; then looks again.
    FinishLeftOver,
    /// Looks for links of ours; then decides again.
    Search,
    /// Pins the link of ours at the path; then looks again.
    TakeOver,
    /// Keeps the link that is at the path as it is.
    Keep,
    /// Puts the program on the link that is at the path. If the kernel refuses that for programs
    /// like this, decides again.
    Update,
    /// Makes another link, and pins it at the path. There is a reason why if something is there. If
    /// the hook takes no more, decides again.
    Attach(Option<Why>),
    /// The same, trying again for a while: what has just gone from the hook may still take it.
    AttachOnceFree(Option<Why>),
    /// Takes the link that is at the path off before.
    OldFirst(Option<Why>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Something that is not to be replaced is at the path: a link of this kind, or not a link.
    PathTaken(Option<LinkKind>),
    /// Something that is not a link is beside the path.
    BesideTaken,
    /// There are links of ours.
    OursFound,
}

/// Decides on the next action.
pub(super) fn decide<L, O>(seen: &Seen<L, O>, rules: &Rules) -> Action {
    if let Some(refusal) = path_taken(&seen.at_path).filter(|_| !rules.replace_other) {
        return Action::Refuse(refusal);
    }
    if let Some(action) = left_over(seen, rules) {
        return action;
    }
    let Some(pinned) = seen.pinned() else {
        let why = match &seen.at_path {
            PinEntry::Missing => None,
            PinEntry::Link(_) | PinEntry::NotALink => Some(Why::NotSuchALink),
        };
        return attach_unless_ours(seen, rules, why);
    };
    let is_wanted = pinned.attached == Some(rules.wanted);
    match pinned.found {
        Match::Gone => return attach_unless_ours(seen, rules, Some(Why::HookGone)),
        Match::OtherHook => return attach_unless_ours(seen, rules, Some(Why::OtherHook)),
        Match::OtherOptions => return attach(seen, Some(Why::OtherOptions)),
        Match::Unclear | Match::OptionsUnclear
            if is_wanted && !rules.is_updatable && !rules.keep_unreported =>
        {
            return attach(seen, Some(Why::NotReported));
        }
        Match::Unclear | Match::OptionsUnclear | Match::Same => {}
    }
    if pinned.is_out_of_place && rules.restore_position {
        return attach(seen, Some(Why::OutOfPlace));
    }
    if rules.attempt_tells.is_some() && seen.hook == Hook::NotTried {
        return Action::Attach(rules.attempt_tells);
    }
    if is_wanted {
        Action::Keep
    } else if rules.is_updatable && !seen.update_refused {
        Action::Update
    } else {
        attach(seen, Some(Why::NotUpdatable))
    }
}

/// Something that is only replaced where the caller has said so.
fn path_taken<L, O>(at_path: &PinEntry<Found<L, O>>) -> Option<Refusal> {
    match at_path {
        PinEntry::Missing | PinEntry::Link(Found::OfKind(_)) => None,
        PinEntry::Link(Found::OtherKind(other)) => Some(Refusal::PathTaken(Some(other.kind))),
        PinEntry::NotALink => Some(Refusal::PathTaken(None)),
    }
}

/// What is done about something that a killed run has left beside the path.
fn left_over<L, O>(seen: &Seen<L, O>, rules: &Rules) -> Option<Action> {
    let left = match &seen.beside {
        PinEntry::Missing => return None,
        PinEntry::NotALink => return Some(Action::Refuse(Refusal::BesideTaken)),
        // By its name it is of an earlier run, which was about another kind.
        PinEntry::Link(Found::OtherKind(_)) => return Some(Action::RemoveLeftOver),
        PinEntry::Link(Found::OfKind(left)) => left,
    };
    if seen.pinned().is_some_and(|pinned| pinned.id == left.id) {
        return Some(Action::UnpinLeftOver);
    }
    let is_wanted = left.found == Match::Same && left.attached == Some(rules.wanted);
    // Where only one link can be on the hook, it is the newer one.
    let is_better =
        |pinned: &Candidate<L>| is_wanted || rules.attempt_tells.is_some() || !pinned.is_here();
    Some(
        if left.is_here() && of_kind(&seen.at_path).is_none_or(is_better) {
            Action::FinishLeftOver
        } else {
            Action::RemoveLeftOver
        },
    )
}

/// Makes another link, unless one of ours is on the hook.
///
/// Where the info leaves it open whether a link is on this hook, an attempt to attach is the better
/// way to find out: a link of ours is not on a hook that is free, but perhaps on one like it in
/// another network namespace.
fn attach_unless_ours<L, O>(seen: &Seen<L, O>, rules: &Rules, why: Option<Why>) -> Action {
    let Some(about) = rules.ours else {
        return attach(seen, why);
    };
    match (seen.ours.as_ref().map(Vec::len), about) {
        (None, _) if rules.attempt_tells.is_some() && seen.hook == Hook::NotTried => {
            attach(seen, why)
        }
        (None, _) => Action::Search,
        (Some(0), _) => attach(seen, why),
        (Some(1), AboutOurs::TakeOver) => Action::TakeOver,
        (Some(_), _) => Action::Refuse(Refusal::OursFound),
    }
}

/// Makes another link: beside the old one if the hook takes both.
fn attach<L, O>(seen: &Seen<L, O>, why: Option<Why>) -> Action {
    match (seen.hook, seen.pinned()) {
        (Hook::NotTried, _) => Action::Attach(why),
        (hook, Some(pinned)) if pinned.is_in_the_way(hook) => Action::OldFirst(why),
        _ => Action::AttachOnceFree(why),
    }
}
