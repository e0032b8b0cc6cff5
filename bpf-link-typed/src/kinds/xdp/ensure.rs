//! Whether a link is on the receive path of this device.

use std::os::fd::BorrowedFd;

use super::{XdpAttach, XdpLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for XdpAttach {
    type Link = XdpLink;

    /// The index of a device means another in another network namespace.
    const ATTEMPT_TELLS: bool = true;

    fn create(&self, program: BorrowedFd<'_>) -> Result<XdpLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &XdpLink, _wanted: &Wanted<'_>) -> Result<Match> {
        let ifindex = self.interface.index()?;
        Ok(match link.info()?.ifindex {
            None => Match::Gone,
            Some(found) => Match::hook(Some(found == ifindex)),
        })
    }
}
