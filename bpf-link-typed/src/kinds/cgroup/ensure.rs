//! Whether a link is on this hook of this cgroup.

use std::os::fd::BorrowedFd;
use std::path::Path;

use bpf_link::{HookProgram, LinkId, LinkKind, RawLink, Target};

use super::{CgroupAttach, CgroupHook, CgroupInfo, CgroupLink};
use crate::attach::position::{self, LinkAnchor, Position};
use crate::attach::{cgroup, fit};
use crate::ensure::hook_id::HookId;
use crate::ensure::on_hook::OnHook;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for CgroupAttach<'_> {
    type Link = CgroupLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<CgroupLink> {
        self.create_link(program)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn compare(&self, _link: &CgroupLink, info: &CgroupInfo, wanted: &Wanted<'_>) -> Result<Match> {
        let cgroup_id = wanted.cgroup_id(&self.cgroup)?;
        let Some(found) = info.cgroup_id else {
            return Ok(Match::Gone);
        };
        // The attempt to attach says of what is not on cgroup2 that it is not.
        let is_same = cgroup_id == Some(found) && info.attach_type == self.hook.attach_type();
        if is_same && self.hook == CgroupHook::Lsm {
            // The program says which of the hooks of the security modules it is.
            return Ok(Match::hook(
                wanted.has_load_time_target_of(info.program_id)?,
            ));
        }
        Ok(Match::hook(Some(is_same)))
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        cgroup::id_of(&self.cgroup).map(drop)
    }

    fn check_options(&self, pin: &Path) -> Result<()> {
        position::without_revision(self.expected_revision, pin)
    }

    /// The list has no links: it tells of a program that is in it once.
    fn in_place(&self, link: &CgroupLink) -> Result<Option<bool>> {
        let Some(position) = self.position.filter(|_| self.hook != CgroupHook::Lsm) else {
            return Ok(None);
        };
        let Some(program) = link.info()?.program_id else {
            return Ok(None);
        };
        let list = self.hook.query(self.cgroup.clone())?.programs;
        let mut places =
            (0..list.len()).filter(|at| list.get(*at).map(|it| it.id) == Some(program));
        let (Some(index), None) = (places.next(), places.next()) else {
            return Ok(None);
        };
        match position::is_at(position, &list, index, is_anchor) {
            // To ask for a link by its id takes `CAP_SYS_ADMIN`.
            Err(Error::Link(bpf_link::Error::PermissionDenied(_))) => Ok(None),
            answer => answer.map(Some),
        }
    }

    fn has_position(&self) -> Result<bool> {
        let list = || Ok(self.hook.query(self.cgroup.clone())?.programs);
        position::exists(self.position, list, is_anchor)
    }

    fn way_back(&self, _old: &CgroupInfo) -> Result<Self> {
        Ok(Self {
            position: self.position.and_then(Position::without_anchor),
            ..self.clone()
        })
    }

    fn on_hook(&self) -> Result<Option<OnHook>> {
        let list = self.hook.query(self.cgroup.clone())?.programs;
        Ok(Some(OnHook::Programs(
            list.iter().map(|program| program.id).collect(),
        )))
    }

    fn ordered_hook(&self) -> Result<Option<HookId>> {
        // Programs for different hooks of the security modules are in different lists.
        if self.hook == CgroupHook::Lsm {
            return Ok(None);
        }
        let attach_type = u64::from(self.hook.attach_type().as_raw());
        let id = cgroup::id_of(&self.cgroup)?;
        Ok(Some(HookId {
            kind: LinkKind::Cgroup,
            numbers: [id, attach_type, u64::from(self.preorder)],
        }))
    }

    fn is_placed(&self) -> bool {
        self.position.is_some()
    }

    fn placed(&self, place: Position<LinkId>) -> Option<Self> {
        Some(self.clone().position(place.of(LinkAnchor::LinkId)))
    }

    /// An update would not refuse all that do not fit: the kernel puts a program for one hook in
    /// the place of one for another, if they are of one type.
    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        fit::check(wanted.object, self.hook.attach_type(), || {
            self.cgroup.target(Target::Cgroup)
        })
    }
}

/// Whether the anchor, a link, runs this program.
fn is_anchor(anchor: LinkAnchor<'_>, program: &HookProgram) -> Result<bool> {
    let anchor = match anchor {
        LinkAnchor::Link(link) => position::anchor_link(link)?,
        LinkAnchor::LinkId(id) => match RawLink::from_id(id) {
            Err(bpf_link::Error::Vanished(_)) => return Ok(false),
            link => link?,
        },
    };
    Ok(anchor.info()?.program_id() == Some(program.id))
}
