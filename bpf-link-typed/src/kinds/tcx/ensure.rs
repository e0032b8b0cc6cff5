//! Whether a link is on this device, in this direction.

use std::os::fd::BorrowedFd;

use bpf_link::{Anchor, LinkId, LinkKind};

use super::{TcxAttach, TcxInfo, TcxLink};
use crate::attach::position::{self, Position};
use crate::ensure::hook_id::HookId;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for TcxAttach<'_> {
    type Link = TcxLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<TcxLink> {
        self.attach(program)
    }

    fn compare(&self, _link: &TcxLink, info: &TcxInfo, _wanted: &Wanted<'_>) -> Result<Match> {
        self.list.compare(info.id, info.ifindex)
    }

    fn check_options(&self) -> Result<()> {
        position::without_revision(self.list.expected_revision)
    }

    fn in_place(&self, link: &TcxLink) -> Result<Option<bool>> {
        self.list.in_place(link.as_raw().id()?)
    }

    fn hook(&self) -> Result<Option<HookId>> {
        self.list.hook(LinkKind::Tcx).map(Some)
    }

    fn is_placed(&self) -> bool {
        self.list.position.is_some()
    }

    fn placed(&self, place: Position<LinkId>) -> Option<Self> {
        let mut to = self.clone();
        to.list.position = Some(place.of(Anchor::LinkId));
        Some(to)
    }

    fn links_on_hook(&self) -> Result<Option<Vec<LinkId>>> {
        self.list.links().map(Some)
    }
}
