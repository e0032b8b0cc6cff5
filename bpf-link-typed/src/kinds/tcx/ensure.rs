//! Whether a link is on this device, in this direction.

use std::os::fd::BorrowedFd;

use bpf_link::LinkId;

use super::{TcxAttach, TcxLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for TcxAttach<'_> {
    type Link = TcxLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<TcxLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &TcxLink, _wanted: &Wanted<'_>) -> Result<Match> {
        self.list
            .compare(|| link.info().map(|info| (info.id, info.ifindex)))
    }

    fn links_on_hook(&self) -> Result<Option<Vec<LinkId>>> {
        self.list.links().map(Some)
    }
}
