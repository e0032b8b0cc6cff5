//! Which links of a directory are an agent's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::ensure::{Attached, Ours};

/// Which links of a directory are this agent's, although they are not in its set:
/// [`LinkSet::remove_stale`](crate::set::LinkSet::remove_stale).
#[derive(Clone, Debug)]
pub struct Stale(Rule);

#[derive(Clone, Debug)]
enum Rule {
    All,
    Prefix(String),
    Running(Ours),
}

impl Stale {
    /// All of them: no other agent uses the directory.
    #[must_use]
    pub fn all() -> Self {
        Self(Rule::All)
    }

    /// Those whose pins have names that begin with this.
    #[must_use]
    pub fn named_with_prefix(prefix: impl AsRef<str>) -> Self {
        Self(Rule::Prefix(prefix.as_ref().to_owned()))
    }

    /// Those that run one of these programs, or maps with callbacks. Asking about a program by its
    /// id takes `CAP_SYS_ADMIN`.
    #[must_use]
    pub fn running(programs: impl IntoIterator<Item = Ours>) -> Self {
        Self(Rule::Running(Ours::any_of(programs)))
    }

    /// Whether this may be the name of a pin of this agent's.
    pub(super) fn is_name(&self, name: &OsStr) -> bool {
        match &self.0 {
            Rule::All | Rule::Running(_) => true,
            Rule::Prefix(prefix) => name.as_bytes().starts_with(prefix.as_bytes()),
        }
    }

    /// Whether a link that is pinned by these names is this agent's.
    ///
    /// `attached` asks what is attached by it.
    pub(super) fn is<'n>(
        &self,
        names: impl IntoIterator<Item = &'n OsStr>,
        attached: impl FnOnce() -> bpf_link::Result<Option<Attached>>,
    ) -> bpf_link::Result<bool> {
        match &self.0 {
            Rule::All | Rule::Prefix(_) => Ok(names.into_iter().any(|name| self.is_name(name))),
            Rule::Running(ours) => {
                // A link that was detached runs nothing.
                let Some(attached) = attached()? else {
                    return Ok(false);
                };
                ours.is(attached)
            }
        }
    }
}
