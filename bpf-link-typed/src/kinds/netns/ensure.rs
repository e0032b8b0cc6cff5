//! Whether a link is on this hook of this network namespace.

use std::os::fd::BorrowedFd;

use super::{NetnsAttach, NetnsHook, NetnsLink};
use crate::ensure::{Match, Old, Recipe, Wanted};
use crate::error::Result;

impl Recipe for NetnsAttach<'_> {
    type Link = NetnsLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetnsLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &NetnsLink, _wanted: &Wanted<'_>) -> Result<Match> {
        let inode = self.netns.inode()?;
        let info = link.info()?;
        Ok(match info.netns_ino {
            None => Match::Gone,
            Some(found) => Match::hook(Some(
                u64::from(found) == inode && info.attach_type == self.hook.attach_type(),
            )),
        })
    }

    /// The flow dissector of one namespace can exclude that of another.
    fn is_in_the_way(&self, old: &Old<'_, NetnsLink>) -> Result<bool> {
        let is_dissector = |attach_type| attach_type == NetnsHook::FlowDissector.attach_type();
        let is_other = self.hook == NetnsHook::FlowDissector
            && old.found == Match::OtherHook
            && is_dissector(old.link.info()?.attach_type);
        Ok(old.found.is_here() || is_other)
    }
}
