//! A link as it is shown: what the kernel says about it, and what was found out besides.

use std::path::PathBuf;

use bpf_link_typed::inspect::{Holder, Names};
use bpf_link_typed::{IterTarget, LinkInfoRef};

pub(crate) struct View<'a> {
    pub(crate) info: LinkInfoRef<'a>,
    pub(crate) names: &'a Names,
    /// Where it is pinned, if that was asked for.
    pub(crate) pinned: Option<&'a [PathBuf]>,
    /// Who holds it, if that was asked for.
    pub(crate) holders: Option<&'a [Holder]>,
}

impl View<'_> {
    /// The cgroup that the link is on, or that it iterates over.
    pub(crate) fn cgroup(&self) -> Option<u64> {
        match &self.info {
            LinkInfoRef::Cgroup(info) => info.cgroup_id,
            LinkInfoRef::Iter(info) => match info.target {
                IterTarget::Cgroup { cgroup_id, .. } => Some(cgroup_id),
                _ => None,
            },
            _ => None,
        }
    }
}
