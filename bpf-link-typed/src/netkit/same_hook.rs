//! Whether a link is on this end of a netkit device.

use std::os::fd::BorrowedFd;

use bpf_link::LinkId;

use super::{NetkitAttach, NetkitLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for NetkitAttach<'_> {
    type Link = NetkitLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetkitLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &NetkitLink, _wanted: &Wanted<'_>) -> Result<Match> {
        let on_hook = self.on_hook()?;
        let info = link.info()?;
        if info.ifindex.is_none() {
            return Ok(Match::Gone);
        }
        // An index of a device means another in another network namespace, so it is the hook that tells.
        Ok(Match::hook(Some(on_hook.contains(&info.id))))
    }

    fn links_on_hook(&self) -> Result<Option<Vec<LinkId>>> {
        self.on_hook().map(Some)
    }
}

impl NetkitAttach<'_> {
    fn on_hook(&self) -> Result<Vec<LinkId>> {
        let programs = self.hook.query(self.interface.clone())?.programs;
        Ok(programs.iter().filter_map(|program| program.link).collect())
    }
}
