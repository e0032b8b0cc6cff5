//! Whether a link is on the receive path of this device.

use super::{XdpAttach, XdpInfo, XdpLink};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for XdpAttach {
    type Link = XdpLink;

    /// The index of a device means another in another network namespace.
    const ATTEMPT_TELLS: bool = true;

    fn compare(&self, _link: &XdpLink, info: &XdpInfo, _wanted: &Wanted<'_>) -> Result<Match> {
        let ifindex = self.interface.index()?;
        Ok(match info.ifindex {
            None => Match::Gone,
            Some(found) => Match::hook(Some(found == ifindex)),
        })
    }
}
