//! Whether a link is of the same struct of callbacks.

use std::os::fd::{AsFd as _, BorrowedFd};

use bpf_link::{LinkKind, MapInfo};

use super::{StructOpsAttach, StructOpsInfo, StructOpsLink};
use crate::ensure::hook_id::HookId;
use crate::ensure::{Attached, Ensure, Ensured, Match, Plan, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for StructOpsAttach<'_> {
    type Link = StructOpsLink;

    fn create(&self, map: BorrowedFd<'_>) -> Result<StructOpsLink> {
        Self::create_link(map)
    }

    fn name_holders(&self, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    /// By the sort of struct. Whether its name is the same, such as that of a congestion control,
    /// an update tells.
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
        let found = match MapInfo::from_id(map_id) {
            Ok(found) => found.btf_vmlinux_value_type_id,
            Err(bpf_link::Error::PermissionDenied(_) | bpf_link::Error::Vanished(_)) => {
                return Ok(Match::Unclear);
            }
            Err(error) => return Err(error.into()),
        };
        let wanted = MapInfo::of(&wanted.object)?.btf_vmlinux_value_type_id;
        Ok(Match::hook(Some(found == wanted)))
    }

    /// One map is registered once. That two maps have one name, such as that of a congestion
    /// control, only the subsystem knows.
    fn exclusive_hook(&self, wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        let Attached::Map(map) = wanted.attached else {
            return Ok(None);
        };
        Ok(Some(HookId {
            kind: LinkKind::StructOps,
            numbers: [u64::from(map.get()), 0, 0],
        }))
    }

    fn attached(info: &StructOpsInfo) -> Option<Attached> {
        info.map_id.map(Attached::Map)
    }
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
