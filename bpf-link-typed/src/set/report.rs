//! What was done to apply a set, a line for each link.

use std::fmt;

use bpf_link::{LinkId, LinkKind};

use crate::ensure::{OldLink, Outcome};

/// What was done to apply a set: [`Applied::report`](crate::set::Applied::report).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SetReport {
    /// The links of the set, in the order in which they were added.
    pub links: Vec<SetLink>,
    /// Links that were pinned in the directory and are not in the set, such as one whose name
    /// another link has taken.
    pub stale: Vec<StaleLink>,
    /// Links that killed runs had left beside their pins.
    pub left_over: Vec<StaleLink>,
    /// Old pins that could not be removed. The next run tries again.
    pub pins_left: Vec<PinLeft>,
}

/// A pin that was replaced or is stale, but could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PinLeft {
    /// The name of the pin.
    pub name: String,
    /// The link that is pinned there.
    pub link: LinkId,
    /// Why it could not be removed, in words.
    pub reason: String,
}

/// What was done about a link of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SetLink {
    /// The name that it was added under.
    pub name: String,
    /// The link that is pinned under this name now.
    pub link: LinkId,
    /// What was done.
    pub outcome: Outcome,
    /// The name under which the link, or the one that it replaced, was pinned before; `None` if
    /// that was the same name.
    pub before: Option<String>,
    /// Other names of the link, or of the one that it replaced, which were removed from the
    /// directory. Names that [`remove_stale`](crate::set::LinkSet::remove_stale) says are another
    /// agent's stay.
    #[cfg_attr(feature = "serde", serde(default))]
    pub unpinned: Vec<String>,
    /// The link that was on the hook without a pin in the directory, and was taken over.
    pub taken_over: Option<LinkId>,
    /// Whether the link is in its position on the hook.
    ///
    /// If you asked for a position, see [`Ensured::is_in_place`](crate::Ensured::is_in_place).
    /// Otherwise it is `Some(false)` for a link that, according to the hook's list, runs before one
    /// that was added to the set earlier, and `None` for all others. A set never moves an existing
    /// link. In a cgroup, new links are placed only since Linux 6.17; before, they come last.
    #[cfg_attr(feature = "serde", serde(default))]
    pub is_in_place: Option<bool>,
}

/// A link of the directory that is not in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StaleLink {
    /// The name of its pin.
    pub name: String,
    /// The link.
    pub link: LinkId,
    /// Its kind.
    pub kind: LinkKind,
    /// What has become of it if it was removed; `None` if it stays.
    pub removed: Option<OldLink>,
}

/// Writes a line for each link, for a log.
impl fmt::Display for SetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for link in &self.links {
            writeln!(f, "{link}")?;
        }
        for link in &self.stale {
            writeln!(f, "{link}")?;
        }
        for link in &self.left_over {
            writeln!(f, "{link}; a killed run had left it")?;
        }
        for pin in &self.pins_left {
            writeln!(f, "{pin}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SetLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: link {}, {}", self.name, self.link, self.outcome)?;
        if let Some(before) = &self.before {
            write!(f, "; it was pinned as {before} before")?;
        }
        for name in &self.unpinned {
            write!(f, "; its pin {name} was removed")?;
        }
        if let Some(link) = self.taken_over {
            write!(f, "; taken over from link {link}, which was not pinned")?;
        }
        if self.is_in_place == Some(false) {
            f.write_str(", not in its position on the hook")?;
        }
        Ok(())
    }
}

impl fmt::Display for PinLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, link, reason } = self;
        write!(
            f,
            "{name}: the pin of link {link} could not be removed: {reason}"
        )
    }
}

impl fmt::Display for StaleLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} link {}, ", self.name, self.kind, self.link)?;
        f.write_str(match self.removed {
            None => "not in the set, stays",
            Some(OldLink::Released(_)) => "unpinned; it ends when the last process closes it",
            Some(OldLink::Held(_)) => "unpinned, held by another process",
            Some(OldLink::Unknown(_)) => "unpinned; it may still be attached",
            Some(_) => "removed",
        })
    }
}

#[cfg(test)]
mod tests {
    use bpf_link::ProgramId;

    use super::*;
    use crate::ensure::{Attached, Why};

    fn id(id: u32) -> LinkId {
        LinkId::new(id).expect("it is not 0")
    }

    #[test]
    fn a_line_for_each_link() {
        let previous = Attached::Program(ProgramId::new(34).expect("it is not 0"));
        let link = |name: &str, link, outcome| SetLink {
            name: name.into(),
            link: id(link),
            outcome,
            before: None,
            unpinned: Vec::new(),
            taken_over: None,
            is_in_place: None,
        };
        let stale = |name: &str, link, removed| StaleLink {
            name: name.into(),
            link: id(link),
            kind: LinkKind::Xdp,
            removed,
        };
        let report = SetReport {
            links: vec![
                link("created", 1, Outcome::Created),
                SetLink {
                    before: Some("old".into()),
                    unpinned: vec!["older".into()],
                    is_in_place: Some(true),
                    ..link("updated", 2, Outcome::Updated { previous })
                },
                SetLink {
                    taken_over: Some(id(30)),
                    ..link(
                        "replaced",
                        3,
                        Outcome::Replaced {
                            why: Why::NotUpdatable,
                            previous: Some(previous),
                            gap: false,
                            old_link: OldLink::Held(id(29)),
                        },
                    )
                },
                SetLink {
                    is_in_place: Some(false),
                    ..link("kept", 4, Outcome::AlreadyRunning)
                },
            ],
            stale: vec![
                stale("stays", 5, None),
                stale("released", 6, Some(OldLink::Released(id(6)))),
                stale("held", 7, Some(OldLink::Held(id(7)))),
                stale("unknown", 8, Some(OldLink::Unknown(id(8)))),
                stale("gone", 9, Some(OldLink::Gone)),
            ],
            left_over: vec![stale("beside", 10, Some(OldLink::Gone))],
            pins_left: vec![PinLeft {
                name: "pin".into(),
                link: id(11),
                reason: "no".into(),
            }],
        };
        let lines = report.to_string();
        let expected = [
            "created: link 1, created",
            "updated: link 2, updated, replacing program 34; it was pinned as old before; \
             its pin older was removed",
            "replaced: link 3, replaced without a gap, because such links cannot be updated; \
             program 34 was attached before; link 29 is still held; taken over from link 30, which was not pinned",
            "kept: link 4, already running, not in its position on the hook",
            "stays: xdp link 5, not in the set, stays",
            "released: xdp link 6, unpinned; it ends when the last process closes it",
            "held: xdp link 7, unpinned, held by another process",
            "unknown: xdp link 8, unpinned; it may still be attached",
            "gone: xdp link 9, removed",
            "beside: xdp link 10, removed; a killed run had left it",
            "pin: the pin of link 11 could not be removed: no",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }
}
