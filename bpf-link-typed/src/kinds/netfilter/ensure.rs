//! Whether a link is on this netfilter hook, with this priority.

use std::os::fd::BorrowedFd;

use super::{NetfilterAttach, NetfilterFamily, NetfilterHook, NetfilterLink};
use crate::ensure::{Match, Recipe, Wanted, WayBack};
use crate::error::Result;

impl Recipe for NetfilterAttach {
    type Link = NetfilterLink;

    /// The info is the same whether the link is attached or not, and does not say in which network namespace.
    const ATTEMPT_TELLS: bool = true;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetfilterLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &NetfilterLink, _wanted: &Wanted<'_>) -> Result<Match> {
        let info = link.info()?;
        let is_same = info.family == self.family.as_raw()
            && info.hook == self.hook.as_raw()
            && info.priority == self.priority;
        Ok(Match::hook(Some(is_same)).and(Some(info.flags == self.flags)))
    }

    fn way_back(&self, old: &NetfilterLink) -> Result<WayBack<'_, NetfilterLink>> {
        let info = old.info()?;
        let mut to = NetfilterAttach::to(
            NetfilterFamily::from_raw(info.family),
            NetfilterHook::from_raw(info.hook),
            info.priority,
        );
        to.flags = info.flags;
        Ok(Box::new(move |program| to.attach(&program)))
    }
}
