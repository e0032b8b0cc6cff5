//! Whether a link is on this hook of this network namespace.

use std::os::fd::BorrowedFd;

use bpf_link::{LinkKind, Target};

use super::{NetnsAttach, NetnsHook, NetnsInfo, NetnsLink};
use crate::attach::fit;
use crate::ensure::hook_id::HookId;
use crate::ensure::{Blocks, Match, Old, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for NetnsAttach<'_> {
    type Link = NetnsLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<NetnsLink> {
        self.create_link(program)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn exclusive_hook(&self, _wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        // The other hook takes several, whose order cannot be chosen.
        if self.hook != NetnsHook::FlowDissector {
            return Ok(None);
        }
        let inode = self.netns.netns_inode()?;
        Ok(inode.map(|inode| HookId {
            kind: LinkKind::Netns,
            numbers: [inode, 0, 0],
        }))
    }

    fn compare(&self, _link: &NetnsLink, info: &NetnsInfo, _wanted: &Wanted<'_>) -> Result<Match> {
        let inode = self.netns.netns_inode()?;
        Ok(match info.netns_ino {
            None => Match::Gone,
            Some(found) => Match::hook(Some(
                inode == Some(u64::from(found)) && info.attach_type == self.hook.attach_type(),
            )),
        })
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        self.netns.netns_inode().map(drop)
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        fit::check(wanted.object, self.hook.attach_type(), || {
            self.netns.target(Target::Netns)
        })
    }

    /// The flow dissector of one namespace can exclude that of another.
    fn blocks(&self, old: &Old<'_, NetnsInfo>) -> Result<Blocks> {
        let is_dissector = |attach_type| attach_type == NetnsHook::FlowDissector.attach_type();
        let is_other = self.hook == NetnsHook::FlowDissector
            && old.found == Match::OtherHook
            && is_dissector(old.info.attach_type);
        Ok(Blocks::always_if(old.found.is_here() || is_other))
    }
}
