//! Whether a link is on this netfilter hook, with this priority.

use std::os::fd::BorrowedFd;

use super::{NetfilterAttach, NetfilterInfo, NetfilterLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for NetfilterAttach {
    type Link = NetfilterLink;

    /// The info is the same whether the link is attached or not, and does not say in which network
    /// namespace.
    const ATTEMPT_TELLS: bool = true;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetfilterLink> {
        self.attach(program)
    }

    fn compare(
        &self,
        _link: &NetfilterLink,
        info: &NetfilterInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let is_same =
            info.family == self.family && info.hook == self.hook && info.priority == self.priority;
        Ok(Match::hook(Some(is_same)).and(Some(info.flags == self.flags)))
    }

    fn way_back(&self, old: &NetfilterInfo) -> Result<Self> {
        let mut to = NetfilterAttach::to(old.family, old.hook, old.priority);
        to.flags = old.flags;
        to.netns.clone_from(&self.netns);
        Ok(to)
    }
}
