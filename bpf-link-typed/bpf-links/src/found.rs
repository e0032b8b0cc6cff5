//! What is found out about all links at once, besides what they say: their pins, and who holds them.

use bpf_link_typed::LinkInfoRef;

use crate::args::With;
use crate::filter::Filter;
use crate::holders::Holders;
use crate::notes::Notes;
use crate::pinned::Pinned;
use crate::resolve::Resolver;
use crate::view::View;

pub(crate) struct Found<'a> {
    resolver: Resolver<'a>,
    pinned: Option<Pinned>,
    holders: Option<Holders>,
}

impl<'a> Found<'a> {
    pub(crate) fn find(with: With, notes: &'a Notes) -> Self {
        Self {
            resolver: Resolver::new(notes),
            pinned: with.pins.then(|| Pinned::find(notes)),
            holders: with.holders.then(|| Holders::find(notes)),
        }
    }

    pub(crate) fn view<'b>(&'b self, info: LinkInfoRef<'b>) -> View<'b> {
        let id = info.id();
        View {
            info,
            resolver: &self.resolver,
            pinned: self.pinned.as_ref().map(|pinned| pinned.of(id)),
            holders: self.holders.as_ref().map(|holders| holders.of(id)),
        }
    }
}

/// What was asked for, and what the filter needs.
pub(crate) fn with(with: With, filter: &Filter<'_>) -> With {
    With {
        pins: with.pins || filter.needs_pins(),
        holders: with.holders || filter.needs_holders(),
    }
}
