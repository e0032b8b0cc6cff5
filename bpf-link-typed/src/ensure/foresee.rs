//! Foresees the decisions of a run, assuming that each of its actions succeeds.

use bpf_link::{LinkId, PinEntry};

use crate::ensure::decide::{Action, Refusal, Rules, decide};
use crate::ensure::outcome::{Attached, LeftOver, Why};
use crate::ensure::plan::{Gap, Planned};
use crate::ensure::recipe::Blocks;
use crate::ensure::seen::{Candidate, Found, Hook, Seen};
use crate::error::Error;

/// Why nothing would be done.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refusal),
    Failed(Error),
}

/// Looks for links of ours; the link with this id is not one of them.
pub(super) type Search<'a, L> =
    &'a mut dyn FnMut(Option<LinkId>) -> Result<Vec<Candidate<L>>, Error>;

/// What a run would do about what was seen. Each decision assumes that the one before was carried
/// out.
pub(super) fn foresee<L, O>(
    seen: &mut Seen<L, O>,
    rules: &Rules,
    search: Search<'_, L>,
) -> Result<(Option<LeftOver>, Planned), Stop> {
    let mut left_over = None;
    loop {
        match decide(seen, rules) {
            Action::RemoveLeftOver => {
                seen.beside = PinEntry::Missing;
                left_over = Some(LeftOver::Removed);
            }
            Action::UnpinLeftOver => {
                seen.beside = PinEntry::Missing;
                left_over = Some(LeftOver::Unpinned);
            }
            Action::FinishLeftOver => {
                seen.at_path = std::mem::replace(&mut seen.beside, PinEntry::Missing);
                left_over = Some(LeftOver::Finished);
            }
            _ => return Ok((left_over, planned(seen, rules, search)?)),
        }
    }
}

/// The same, with nothing left beside the path.
fn planned<L, O>(
    seen: &mut Seen<L, O>,
    rules: &Rules,
    search: Search<'_, L>,
) -> Result<Planned, Stop> {
    let pinned = seen.pinned();
    match (decide(seen, rules), pinned) {
        (Action::Search, pinned) => {
            seen.ours = Some(search(pinned.map(|pinned| pinned.id)).map_err(Stop::Failed)?);
            planned(seen, rules, search)
        }
        (Action::TakeOver, _) => take_over(seen, rules, search),
        (Action::Keep, Some(pinned)) => Ok(Planned::Keep { link: pinned.id }),
        (Action::Update, Some(pinned)) => Ok(Planned::Update {
            link: pinned.id,
            previous: pinned.attached,
        }),
        (Action::Attach(why), pinned) => {
            let old = old_link(seen);
            let gap = match pinned.map_or(Blocks::Never, |pinned| pinned.blocks) {
                // If the hook takes both, it is free, and the old link is not on it.
                _ if rules.attempt_tells.is_some() => Gap::No,
                Blocks::Never => Gap::No,
                Blocks::WhenFull | Blocks::Always => Gap::IfRefused,
            };
            let if_free = attached(old, why, gap);
            if rules.attempt_tells.is_some() {
                seen.hook = Hook::Taken;
                attempted(if_free, planned(seen, rules, search), seen)
            } else {
                Ok(if_free)
            }
        }
        (Action::AttachOnceFree(why), _) => Ok(attached(old_link(seen), why, Gap::No)),
        (Action::OldFirst(why), _) => Ok(attached(old_link(seen), why, Gap::Yes)),
        (Action::Refuse(refusal), _) => Err(Stop::Refused(refusal)),
        // The other actions are about what is beside the path, or need a link at the path.
        (
            Action::RemoveLeftOver
            | Action::UnpinLeftOver
            | Action::FinishLeftOver
            | Action::Keep
            | Action::Update,
            _,
        ) => Ok(Planned::Create),
    }
}

fn take_over<L, O>(
    seen: &mut Seen<L, O>,
    rules: &Rules,
    search: Search<'_, L>,
) -> Result<Planned, Stop> {
    let Some(ours) = seen.take_ours() else {
        return Err(Stop::Refused(Refusal::OursFound));
    };
    let link = ours.id;
    seen.at_path = PinEntry::Link(Found::OfKind(ours));
    let then = Box::new(planned(seen, rules, search)?);
    Ok(Planned::TakeOver { link, then })
}

/// An attempt to attach, where that tells whether the hook is free.
fn attempted<L, O>(
    if_free: Planned,
    if_taken: Result<Planned, Stop>,
    seen: &Seen<L, O>,
) -> Result<Planned, Stop> {
    let if_taken = match if_taken {
        // Then it is up to the kernel, as everywhere else.
        Ok(if_taken) if if_taken == if_free => return Ok(if_free),
        Ok(if_taken) => if_taken,
        Err(Stop::Refused(Refusal::OursFound)) => Planned::ReportOurs {
            links: seen.ours.iter().flatten().map(|ours| ours.id).collect(),
        },
        Err(stop) => return Err(stop),
    };
    Ok(Planned::Attempt {
        if_free: Box::new(if_free),
        if_taken: Box::new(if_taken),
    })
}

/// The link that is at the path, of whichever kind.
fn old_link<L, O>(seen: &Seen<L, O>) -> Option<(LinkId, Option<Attached>)> {
    let old = seen.at_path.link()?;
    Some((old.id(), old.attached()))
}

fn attached(old: Option<(LinkId, Option<Attached>)>, why: Option<Why>, gap: Gap) -> Planned {
    match why {
        None => Planned::Create,
        Some(why) => Planned::Replace {
            link: old.map(|(link, _)| link),
            why,
            previous: old.and_then(|(_, attached)| attached),
            gap,
        },
    }
}
