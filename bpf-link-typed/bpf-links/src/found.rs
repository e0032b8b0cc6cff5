//! What is looked up once for all links: names, pins and holders.

use std::path::PathBuf;

use bpf_link_typed::inspect::{Holder, Holders, LinkDescription, Names};
use bpf_link_typed::{LinkId, LinkInfoRef};

use crate::args::With;
use crate::filter::Filter;
use crate::notes::Notes;
use crate::search::{self, HOLDERS, PINS, Search};

pub(crate) struct Found<'a> {
    notes: &'a Notes,
    search: &'a Search,
}

impl<'a> Found<'a> {
    /// Runs the search for pins and holders now. Names are looked up when they are needed.
    pub(crate) fn find(search: &'a mut Search, notes: &'a Notes) -> Self {
        search.refresh(notes);
        Self { notes, search }
    }

    /// Why some pins or holders were not found, if that is so. Then nobody knows which links are
    /// pinned, or held by a process.
    pub(crate) fn why_incomplete(&self) -> Vec<String> {
        let looked_for = [
            self.search.pins.is_some().then_some(PINS),
            self.search.holders.is_some().then_some(HOLDERS),
        ];
        let missing = looked_for.into_iter().flatten();
        let reasons = missing.filter_map(|what| Some(format!("{what}: {}", self.notes.why(what)?)));
        reasons.collect()
    }

    /// What things are called.
    pub(crate) fn names(&self) -> &Names {
        &self.search.names
    }

    /// Notes which names are missing, of those that have been asked for.
    pub(crate) fn note_names(&self) {
        search::note_names(self.names(), self.notes);
    }

    /// Where this link is pinned, if that was asked for.
    pub(crate) fn pins(&self, id: LinkId) -> Option<&[PathBuf]> {
        self.search.pins.as_ref().map(|pins| pins.of(id))
    }

    /// Who holds this link, if that was asked for.
    pub(crate) fn holders(&self, id: LinkId) -> Option<&[Holder]> {
        self.search.holders.as_ref().map(|holders| holders.of(id))
    }

    /// Whether this command has made the link itself, in search of holders.
    pub(crate) fn is_own(&self, id: LinkId) -> bool {
        let holders = self.search.holders.as_ref();
        holders.and_then(Holders::own_link) == Some(id)
    }

    pub(crate) fn describe<'b>(&'b self, info: LinkInfoRef<'b>) -> LinkDescription<'b> {
        let mut link = LinkDescription::new(info, self.names());
        link.pinned = self.pins(info.id());
        link.holders = self.holders(info.id());
        link
    }
}

/// What the user asked for, plus what the filter needs.
pub(crate) fn with(with: With, filter: &Filter<'_>) -> With {
    With {
        pins: with.pins || filter.needs_pins(),
        holders: with.holders || filter.needs_holders(),
    }
}
