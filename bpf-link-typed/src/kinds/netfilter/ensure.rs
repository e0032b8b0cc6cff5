//! Whether a link is on this netfilter hook, with this priority.

use std::os::fd::BorrowedFd;

use bpf_link::LinkKind;

use super::{NetfilterAttach, NetfilterInfo, NetfilterLink};
use crate::ensure::hook_id::{HookId, number_of};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for NetfilterAttach {
    type Link = NetfilterLink;

    /// The info is the same whether the link is attached or not, and does not say in which network
    /// namespace.
    const ATTEMPT_TELLS: bool = true;

    fn for_one_run(&self) -> Self {
        Self {
            within: self.within.for_one_run(),
            ..self.clone()
        }
    }

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetfilterLink> {
        self.create_link(program)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn exclusive_hook(&self, _wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        let family = u64::from(self.family.as_raw());
        let hook = u64::from(self.hook.as_raw());
        let priority = u32::from_ne_bytes(self.priority.to_ne_bytes());
        Ok(Some(HookId {
            kind: LinkKind::Netfilter,
            numbers: [
                family << 32 | hook,
                u64::from(priority),
                number_of(self.within.netns.as_ref()),
            ],
        }))
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

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        self.within.inside(|| Ok(()))
    }

    fn way_back(&self, old: &NetfilterInfo) -> Result<Self> {
        let mut to = NetfilterAttach::to(old.family, old.hook, old.priority);
        to.flags = old.flags;
        to.within = self.within.clone();
        Ok(to)
    }
}
