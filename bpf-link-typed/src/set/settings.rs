//! What the caller asks of a set, besides its links.

use crate::ensure::Ours;
use crate::ensure::settings::settings_of_every_run;
use crate::set::LinkSet;
use crate::set::stale::Stale;

impl LinkSet<'_> {
    settings_of_every_run!();

    /// Makes the directory, and those that it is in, as far as they are missing, with this mode
    /// less the umask. Nobody else may write to them, whatever the mode says. If nothing is pinned
    /// after all, they are removed again.
    pub fn create_dir(mut self, mode: u32) -> Self {
        self.options.parents = Some(mode);
        self
    }

    /// Lets go of links that are pinned in the directory, not in the set, and this agent's by this
    /// rule, after everything else has succeeded.
    ///
    /// The rule also says which links of the directory a link of the set may take over under
    /// another name. Two agents that share a directory need rules that tell them apart.
    pub fn remove_stale(mut self, rule: Stale) -> Self {
        self.options.stale = Some(rule);
        self
    }

    /// Takes links over that are on a hook of the set and ours, but not pinned in the directory, as
    /// [`Ensure::take_over`](crate::Ensure::take_over) does: instead of attaching beside them.
    pub fn take_over(mut self, ours: Ours) -> Self {
        self.options.ours = Some(ours);
        self
    }

    /// Goes on where an old program cannot be opened, which takes `CAP_SYS_ADMIN`: if something
    /// fails afterwards, that program cannot be put back.
    pub fn without_rollback(mut self) -> Self {
        self.options.without_rollback = true;
        self
    }
}
