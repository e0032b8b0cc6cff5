//! Whether a link is on the receive path of this device.

use std::os::fd::BorrowedFd;

use super::{XdpAttach, XdpInfo, XdpLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for XdpAttach {
    type Link = XdpLink;

    /// The index of a device means another in another network namespace.
    const ATTEMPT_TELLS: bool = true;

    fn create(&self, program: BorrowedFd<'_>) -> Result<XdpLink> {
        self.create_link(program)
    }

    fn name_holders(&self, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn compare(&self, _link: &XdpLink, info: &XdpInfo, _wanted: &Wanted<'_>) -> Result<Match> {
        let ifindex = self.interface.index()?;
        Ok(match info.ifindex {
            None => Match::Gone,
            Some(found) => Match::hook(Some(found == ifindex)),
        })
    }
}
