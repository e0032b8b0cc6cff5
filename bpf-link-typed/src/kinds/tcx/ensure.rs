//! Whether a link is on this device, in this direction.

use std::os::fd::BorrowedFd;

use bpf_link::LinkId;

use super::{TcxAttach, TcxInfo, TcxLink};
use crate::attach::position;
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

    fn links_on_hook(&self) -> Result<Option<Vec<LinkId>>> {
        self.list.links().map(Some)
    }
}
