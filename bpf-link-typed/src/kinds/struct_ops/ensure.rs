//! Whether a link is of the same struct of callbacks.

use std::os::fd::{AsFd as _, BorrowedFd};

use bpf_link::{BtfTypeId, LinkKind, MapInfo, StructOpsMap};

use super::{StructOpsAttach, StructOpsInfo, StructOpsLink};
use crate::ensure::hook_id::{HookId, hash_of};
use crate::ensure::{Attached, Ensure, Ensured, Match, Plan, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for StructOpsAttach<'_> {
    type Link = StructOpsLink;

    fn create(&self, map: BorrowedFd<'_>) -> Result<StructOpsLink> {
        Self::create_link(map)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    /// By the sort of struct, and by the name that it is registered by, such as that of a
    /// congestion control. Where the names cannot be read, an update tells.
    fn compare(
        &self,
        _link: &StructOpsLink,
        info: &StructOpsInfo,
        wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let Some(map_id) = info.map_id else {
            return Ok(Match::Gone);
        };
        if wanted.attached == Attached::Map(map_id) {
            return Ok(Match::Same);
        }
        let found = match bpf_link::open_map(map_id) {
            Ok(found) => found,
            Err(bpf_link::Error::PermissionDenied(_) | bpf_link::Error::Vanished(_)) => {
                return Ok(Match::Unclear);
            }
            Err(error) => return Err(error.into()),
        };
        let (found, wanted) = (found.as_fd(), wanted.object);
        let is_here = match (named(found)?, named(wanted)?) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => sort_of(found)? == sort_of(wanted)?,
        };
        Ok(Match::hook(Some(is_here)))
    }

    /// A map can be registered only once, and so can a name among callbacks of one type, such as
    /// congestion controls.
    fn exclusive_hook(&self, wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        let Attached::Map(map) = wanted.attached else {
            return Ok(None);
        };
        let numbers = match named(wanted.object)? {
            Some((sort, name)) => [0, u64::from(sort), name],
            None => [u64::from(map.get()), 0, 0],
        };
        Ok(Some(HookId {
            kind: LinkKind::StructOps,
            numbers,
        }))
    }

    fn attached(info: &StructOpsInfo) -> Option<Attached> {
        info.map_id.map(Attached::Map)
    }
}

/// The sort of callbacks.
fn sort_of(map: BorrowedFd<'_>) -> Result<Option<BtfTypeId>> {
    Ok(MapInfo::of(&map)?.btf_vmlinux_value_type_id)
}

/// The sort of callbacks, and a number for the name that they are registered by; `None` without a
/// name, or where the kernel does not let the caller read it.
fn named(map: BorrowedFd<'_>) -> Result<Option<(u32, u64)>> {
    let callbacks = match StructOpsMap::of(&map) {
        // The kernel has no types, or the caller has no privilege.
        Err(bpf_link::Error::Command(_) | bpf_link::Error::PermissionDenied(_)) => None,
        callbacks => callbacks?,
    };
    Ok(callbacks.and_then(|callbacks| {
        let sort = callbacks.map.btf_vmlinux_value_type_id?;
        let name = hash_of(callbacks.registered_name.as_ref()?);
        Some((sort.get(), name))
    }))
}

impl Ensure<StructOpsAttach<'_>> {
    /// Does it, with the map that the options are of.
    ///
    /// # Errors
    ///
    /// As for the other kinds.
    pub fn run(&self) -> Result<Ensured<StructOpsLink>> {
        self.run_with(self.to.map.as_fd())
    }

    /// What [`run`](Self::run) would do now; nothing is changed.
    ///
    /// # Errors
    ///
    /// As for the other kinds.
    pub fn plan(&self) -> Result<Plan> {
        self.plan_with(self.to.map.as_fd())
    }
}
