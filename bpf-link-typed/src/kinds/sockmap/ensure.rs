//! Whether a link is on this slot of this map.

use std::os::fd::BorrowedFd;

use bpf_link::MapInfo;

use super::{SockmapAttach, SockmapHook, SockmapLink};
use crate::ensure::{Match, Old, Recipe, Wanted, WayBack};
use crate::error::Result;

impl Recipe for SockmapAttach<'_> {
    type Link = SockmapLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<SockmapLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &SockmapLink, _wanted: &Wanted<'_>) -> Result<Match> {
        let map_id = MapInfo::of(&self.map)?.id;
        let info = link.info()?;
        Ok(match info.map_id {
            None => Match::Gone,
            Some(found) => Match::hook(Some(
                found == map_id && info.attach_type == self.hook.attach_type(),
            )),
        })
    }

    /// One slot of a map can exclude another.
    fn is_in_the_way(&self, old: &Old<'_, SockmapLink>) -> Result<bool> {
        Ok(old.link.info()?.map_id == Some(MapInfo::of(&self.map)?.id))
    }

    fn way_back(&self, old: &SockmapLink) -> Result<WayBack<'_, SockmapLink>> {
        let attach_type = old.info()?.attach_type;
        let slots = SockmapHook::ALL.iter().copied();
        let slot = slots.clone().find(|slot| slot.attach_type() == attach_type);
        let to = Self {
            hook: slot.unwrap_or(self.hook),
            ..*self
        };
        Ok(Box::new(move |program| to.attach(&program)))
    }
}
