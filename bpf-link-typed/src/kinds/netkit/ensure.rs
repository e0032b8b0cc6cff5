//! Whether a link is on this end of a netkit device.

use std::os::fd::BorrowedFd;

use bpf_link::{Anchor, LinkId, LinkKind};

use super::{NetkitAttach, NetkitInfo, NetkitLink};
use crate::attach::position::{self, Position};
use crate::ensure::hook_id::HookId;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for NetkitAttach<'_> {
    type Link = NetkitLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetkitLink> {
        self.attach(program)
    }

    fn compare(
        &self,
        _link: &NetkitLink,
        info: &NetkitInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        self.list.compare(info.id, info.ifindex)
    }

    fn check_options(&self) -> Result<()> {
        position::without_revision(self.list.expected_revision)
    }

    fn in_place(&self, link: &NetkitLink) -> Result<Option<bool>> {
        self.list.in_place(link.as_raw().id()?)
    }

    fn hook(&self) -> Result<Option<HookId>> {
        self.list.hook(LinkKind::Netkit).map(Some)
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
