//! What the caller asks of a set, besides its links.

use crate::ensure::Ours;
use crate::ensure::settings::settings_of_every_run;
use crate::set::LinkSet;
use crate::set::stale::Stale;

impl LinkSet<'_> {
    settings_of_every_run!();

    /// Makes the directory, and the directories above it that are missing, with this mode less the
    /// umask. Only the agent's own user may write to them, whatever the mode says. If nothing is
    /// pinned in the end, they are removed again.
    pub fn create_dir(mut self, mode: u32) -> Self {
        self.options.parents = Some(mode);
        self
    }

    /// Removes links that are pinned in the directory but not in the set, if this rule says that
    /// they are this agent's. That happens after everything else has succeeded.
    ///
    /// The rule also says which links of the directory a link of the set may take over under
    /// another name. Two agents that share a directory need rules that tell their links apart.
    pub fn remove_stale(mut self, rule: Stale) -> Self {
        self.options.stale = Some(rule);
        self
    }

    /// Takes over links of ours that are on a hook of the set but not pinned in the directory, as
    /// [`Ensure::take_over`](crate::Ensure::take_over) does, instead of attaching beside them.
    /// If your programs have different names, name them all with [`Ours::any_of`].
    pub fn take_over(mut self, ours: Ours) -> Self {
        self.options.ours = Some(ours);
        self
    }

    /// Goes on even if an old program cannot be opened, which takes `CAP_SYS_ADMIN`. If something
    /// fails after that, this program cannot be attached again.
    pub fn without_rollback(mut self) -> Self {
        self.options.without_rollback = true;
        self
    }
}
