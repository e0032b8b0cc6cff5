//! Programs that keep all others off a hook of their cgroup, and of those below it.

use bpf_link::Hook;

use super::{CgroupAttach, CgroupHook};
use crate::attach::cgroup::{ALLOW_MULTI, ALLOW_OVERRIDE, OpenCgroup};

impl CgroupAttach<'_> {
    /// The cgroup, this one or one above it, that keeps a link off this hook: its program was
    /// attached without a link and without `BPF_F_ALLOW_MULTI`. The rules are those of the kernel's
    /// `__cgroup_bpf_attach` and `hierarchy_allows_attach`.
    pub(super) fn excluding(&self) -> Option<OpenCgroup> {
        if self.hook == CgroupHook::Lsm {
            return None;
        }
        let mut cgroup = OpenCgroup::of(&self.cgroup).ok()??;
        let mut is_above = false;
        loop {
            let found = Hook::of_fd(self.hook.attach_type(), &cgroup).query();
            let found = found.ok()?;
            if found.flags.contains(ALLOW_MULTI) {
                return None;
            }
            if !found.programs.is_empty() {
                let gives_way = is_above && found.flags.contains(ALLOW_OVERRIDE);
                return (!gives_way).then_some(cgroup);
            }
            cgroup = cgroup.parent().ok()??;
            is_above = true;
        }
    }
}
