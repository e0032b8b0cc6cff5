//! Programs that keep all others from a hook of their cgroup, and of those below it.

use std::path::PathBuf;

use bpf_link::AttachFlags;
use bpf_link_sys as c;

use super::{CgroupAttach, CgroupHook};
use crate::attach::file_ref::{FileRef, by_descriptor};

/// How deep cgroups can be nested, at least as far as anybody has them.
const DEPTH: usize = 256;

impl CgroupAttach<'_> {
    /// The cgroup whose program does not let a link be attached here, as it was attached without a
    /// link and without `BPF_F_ALLOW_MULTI`: this one, or one above it. As the kernel's
    /// `__cgroup_bpf_attach` and `hierarchy_allows_attach` have it.
    pub(super) fn excluding(&self) -> Option<FileRef<'static>> {
        if self.hook == CgroupHook::Lsm {
            return None;
        }
        let mut path = match &self.cgroup {
            FileRef::Path(path) => path.to_path_buf(),
            FileRef::Fd(fd) => by_descriptor(fd),
        };
        let mut may_override = false;
        let mut last = None;
        for _ in 0..DEPTH {
            let cgroup = FileRef::from(path.clone());
            let id = cgroup.cgroup_id().ok()??;
            // Above the root is the root, or what it is mounted on.
            if last.replace(id) == Some(id) {
                return None;
            }
            let found = self.hook.query(cgroup.clone()).ok()?;
            if has(found.flags, c::BPF_F_ALLOW_MULTI) {
                return None;
            }
            if !found.programs.is_empty() {
                let may_be_overridden = has(found.flags, c::BPF_F_ALLOW_OVERRIDE);
                return (!may_override || !may_be_overridden).then_some(cgroup);
            }
            may_override = true;
            path = above(path);
        }
        None
    }
}

fn has(flags: AttachFlags, bit: u32) -> bool {
    flags.bits() & bit != 0
}

fn above(mut cgroup: PathBuf) -> PathBuf {
    cgroup.push("..");
    cgroup
}
