//! Whether a link is on this slot of this map.

use std::os::fd::BorrowedFd;

use bpf_link::{LinkKind, MapInfo, Target};

use super::{SockmapAttach, SockmapHook, SockmapInfo, SockmapLink};
use crate::attach::fit;
use crate::ensure::hook_id::HookId;
use crate::ensure::{Blocks, Match, Old, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for SockmapAttach<'_> {
    type Link = SockmapLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<SockmapLink> {
        self.create_link(program)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn exclusive_hook(&self, _wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        let map_id = MapInfo::of(&self.map)?.id;
        let slot = self.hook.exclusive().attach_type();
        Ok(Some(HookId {
            kind: LinkKind::Sockmap,
            numbers: [u64::from(map_id.get()), u64::from(slot.as_raw()), 0],
        }))
    }

    fn compare(
        &self,
        _link: &SockmapLink,
        info: &SockmapInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let map_id = MapInfo::of(&self.map)?.id;
        Ok(match info.map_id {
            None => Match::Gone,
            Some(found) => Match::hook(Some(
                found == map_id && info.attach_type == self.hook.attach_type(),
            )),
        })
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        fit::check(wanted.object, self.hook.attach_type(), || {
            MapInfo::of(&self.map).map_or(Target::Descriptor, |map| Target::Map(map.id))
        })
    }

    fn blocks(&self, old: &Old<'_, SockmapInfo>) -> Result<Blocks> {
        Ok(Blocks::always_if(match old.found {
            Match::OtherHook => {
                old.info.attach_type.exclusive() == self.hook.exclusive()
                    && old.info.map_id == Some(MapInfo::of(&self.map)?.id)
            }
            found => found.is_here(),
        }))
    }

    fn way_back(&self, old: &SockmapInfo) -> Result<Self> {
        let attach_type = old.attach_type;
        let slots = SockmapHook::ALL.iter().copied();
        let slot = slots.clone().find(|slot| slot.attach_type() == attach_type);
        let to = Self {
            hook: slot.unwrap_or(self.hook),
            ..self.clone()
        };
        Ok(to)
    }
}
