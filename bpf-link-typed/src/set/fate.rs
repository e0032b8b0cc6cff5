//! What becomes of a link of the directory that no link of the set takes over.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::rc::Rc;

use crate::ensure::Attached;
use crate::error::{Error, Result};
use crate::set::directory::{Found, is_temporary, stem};
use crate::set::slot::{Slot, is_wanted};
use crate::set::stale::Stale;

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was left by a run that was killed, and is let go of.
    LeftOver,
    /// It is not in the set, and is let go of: it is stale, or another link is pinned by its name.
    Removed,
    /// It is not in the set, and stays.
    Stays,
}

impl Fate {
    /// Whether the link is let go of.
    pub(super) fn goes(self) -> bool {
        self != Self::Stays
    }
}

/// The pins that are removed from a link that is taken over, or that loses its name to another:
/// all except those with a wanted name, which is the new link's by then, and those whose names the
/// rule says are another agent's.
pub(super) fn other_pins(
    pins: &[Rc<OsStr>],
    slots: &[Slot<'_>],
    rule: Option<&Stale>,
) -> Vec<Rc<OsStr>> {
    let is_ours = |pin: &OsStr| is_temporary(pin) || rule.is_none_or(|rule| rule.is_name(pin));
    let others = pins.iter().filter(|pin| !is_wanted(slots, pin));
    others.filter(|pin| is_ours(pin)).cloned().collect()
}

impl Found {
    /// Whether a killed run has pinned it beside a path that is wanted now.
    pub(super) fn is_beside_one_of(&self, slots: &[Slot<'_>]) -> bool {
        let mut temporary = self.pins.iter().filter(|pin| is_temporary(pin));
        temporary.any(|pin| is_wanted(slots, stem(pin)))
    }
}

/// What becomes of a link that is pinned at this path, and which of its pins are removed.
pub(super) fn fate(
    found: &Found,
    path: PathBuf,
    slots: &[Slot<'_>],
    rule: Option<&Stale>,
) -> Result<(Fate, Vec<Rc<OsStr>>)> {
    if found.pins.iter().any(|pin| is_wanted(slots, pin)) {
        return Ok((Fate::Removed, other_pins(&found.pins, slots, rule)));
    }
    let others = found.pins.clone();
    let is_ours = match (rule, &found.link) {
        (Some(rule), Some(link)) => {
            let is_ours = rule.is(found.stems(), || Attached::of(link));
            Some(is_ours.map_err(|error| match error {
                source @ bpf_link::Error::PermissionDenied(_) => {
                    Error::SearchDenied { path, source }
                }
                error => error.into(),
            })?)
        }
        _ => None,
    };
    let (temporary, pins): (Vec<_>, Vec<_>) = others.iter().partition(|pin| is_temporary(pin));
    let is_named = found.is_beside_one_of(slots);
    if pins.is_empty() {
        return Ok(if is_ours != Some(false) || is_named {
            (Fate::LeftOver, others)
        } else {
            (Fate::Stays, Vec::new())
        });
    }
    // It has another name, and a killed run was about to replace it.
    if is_named && is_ours != Some(false) {
        return Ok((Fate::LeftOver, others));
    }
    Ok(match is_ours {
        Some(true) => (Fate::Removed, others),
        Some(false) => (Fate::Stays, Vec::new()),
        None => (Fate::Stays, temporary.into_iter().cloned().collect()),
    })
}
