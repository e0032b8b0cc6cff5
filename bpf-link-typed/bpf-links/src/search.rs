//! Pins and holders of all links, which a watch looks for again and again.

use bpf_link_typed::inspect::{Holders, PinNote, Pins, UnreadHolders};

use crate::args::With;
use crate::failure;
use crate::notes::Notes;

pub(crate) const PINS: &str = "some pins are not shown";
pub(crate) const HOLDERS: &str = "some holders are missing";

/// What was found about all links.
pub(crate) struct Search {
    /// If they were asked for.
    pub(crate) pins: Option<Pins>,
    pub(crate) holders: Option<Holders>,
}

impl Search {
    pub(crate) fn new(with: With) -> Self {
        Self {
            pins: with.pins.then(Pins::new),
            // This command holds a link only to look at it.
            holders: with.holders.then(|| Holders::new().without_caller()),
        }
    }

    /// Looks for all of them now.
    pub(crate) fn refresh(&mut self, notes: &Notes) {
        if let Some(pins) = &mut self.pins {
            pins.refresh();
            for note in pins.notes() {
                match note {
                    PinNote::Pin(error) => notes.refused(PINS, error),
                    note => notes.add(PINS, note),
                }
            }
        }
        if let Some(holders) = &mut self.holders {
            holders.refresh();
            if let Some(unread) = holders.unread() {
                let missing = match unread {
                    UnreadHolders::Processes { .. } if failure::lacks_ptrace() => {
                        " (CAP_SYS_PTRACE is missing)"
                    }
                    _ => "",
                };
                notes.add(HOLDERS, format_args!("{unread}{missing}"));
            }
        }
    }
}
