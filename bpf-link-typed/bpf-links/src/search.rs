//! Names, pins and holders, which a watch looks for again and again.

use bpf_link_typed::inspect::{Holders, Names, NamesOf, PinNote, Pins, UnreadHolders};

use crate::args::With;
use crate::failure;
use crate::notes::Notes;

pub(crate) const PINS: &str = "some pins are not shown";
pub(crate) const HOLDERS: &str = "some holders are missing";

/// What was found about all links.
pub(crate) struct Search {
    pub(crate) names: Names,
    /// If they were asked for.
    pub(crate) pins: Option<Pins>,
    pub(crate) holders: Option<Holders>,
}

impl Search {
    pub(crate) fn new(with: With) -> Self {
        Self {
            names: Names::new(),
            pins: with.pins.then(Pins::new),
            // This command holds a link only to look at it.
            holders: with.holders.then(|| Holders::new().without_caller()),
        }
    }

    /// Looks for all pins and holders now. Names are looked up when they are needed.
    pub(crate) fn refresh(&mut self, notes: &Notes) {
        self.names.refresh();
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

/// Notes which names are missing, of those that have been asked for.
pub(crate) fn note_names(names: &Names, notes: &Notes) {
    for note in names.notes() {
        let what = match note.about {
            NamesOf::Programs => "some programs are shown without names",
            NamesOf::LongPrograms => "some names of programs are cut",
            NamesOf::Maps => "some maps are shown without names",
            NamesOf::Devices => "some network devices are shown without names",
            NamesOf::Cgroups => "some cgroups are shown without paths",
            NamesOf::KernelFunctions => "some kernel functions are shown without names",
            NamesOf::BtfFunctions => "some functions are shown as type ids",
            _ => "some names are missing",
        };
        match note.error {
            Some(error) => notes.refused(what, &*error),
            None => notes.add(
                what,
                "the kernel hides them (CAP_SYSLOG is missing, or kernel.kptr_restrict is 2)",
            ),
        }
    }
}
