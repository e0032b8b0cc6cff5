//! Whether a link is on this hook of this cgroup.

use std::os::fd::BorrowedFd;

use bpf_link::{LinkCreate, ProgramInfo, RawLink, Target};

use super::{CgroupAttach, CgroupHook, CgroupInfo, CgroupLink};
use crate::attach::fit;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for CgroupAttach<'_> {
    type Link = CgroupLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<CgroupLink> {
        self.create_link(program)
    }

    fn name_holders(&self, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn compare(&self, _link: &CgroupLink, info: &CgroupInfo, wanted: &Wanted<'_>) -> Result<Match> {
        let cgroup_id = self.cgroup.inode()?;
        let Some(found) = info.cgroup_id else {
            return Ok(Match::Gone);
        };
        let is_same = found == cgroup_id && info.attach_type == self.hook.attach_type();
        if is_same && self.hook == CgroupHook::Lsm {
            // The program says which of the hooks of the security modules it is.
            return Ok(Match::hook(
                wanted.has_load_time_target_of(info.program_id)?,
            ));
        }
        Ok(Match::hook(Some(is_same)))
    }

    /// The kernel puts a program for one hook in the place of one for another, if they are of one
    /// type.
    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        const NO_CGROUP: u32 = u32::MAX;
        let attach_type = self.hook.attach_type();
        let request = LinkCreate::new(&wanted.object, attach_type).target_ifindex(NO_CGROUP);
        match RawLink::create(&request) {
            Err(source) if source.errno() == Some(libc::EINVAL) => {
                let program = ProgramInfo::of(&wanted.object).ok();
                let source = source.naming(self.cgroup.target(Target::Cgroup));
                Err(fit::mismatch(attach_type, program, source))
            }
            // That there is no such cgroup.
            _ => Ok(()),
        }
    }
}
