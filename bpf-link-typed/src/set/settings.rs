//! What the caller asks of a set, besides its links.

use std::time::Duration;

use crate::ensure::Ours;
use crate::set::LinkSet;
use crate::set::stale::Stale;

impl LinkSet<'_> {
    /// Makes the directory, and those that it is in, as far as they are missing, with this mode
    /// less the umask. Nobody else may write to them, whatever the mode says. If nothing is pinned
    /// after all, they are removed again.
    pub fn create_dir(mut self, mode: u32) -> Self {
        self.options.parents = Some(mode);
        self
    }

    /// Waits for the lock of the directory for at most so long; without this, for ten seconds
    /// ([`PinLock::PATIENCE`](bpf_link::PinLock::PATIENCE)). Zero is not to wait at all.
    pub fn lock_within(mut self, time: Duration) -> Self {
        self.options.lock_within = time;
        self
    }

    /// Goes on where other users can write to the directory, or to one that its path leads through,
    /// or where one of these or a symbolic link belongs to another user than root or us: see
    /// [`check_directories`](bpf_link::check_directories).
    ///
    /// Such a user can replace the agent's links with other ones, and keep the lock.
    pub fn allow_shared_directories(mut self) -> Self {
        self.options.trust.shared_directories = true;
        self
    }

    /// Goes on where links that are pinned in the directory belong to another user, who can open
    /// them and so do everything to them. The pins that `apply` leaves are ours.
    ///
    /// What the other user has opened before stays open.
    pub fn allow_other_owner(mut self) -> Self {
        self.options.trust.other_owner = true;
        self
    }

    /// Waits for at most so long, for all links together, until those of a kind that cannot be
    /// detached have gone after they were replaced or removed: the report then says
    /// [`OldLink::Gone`](crate::ensure::OldLink::Gone) or
    /// [`OldLink::Held`](crate::ensure::OldLink::Held).
    ///
    /// Without this nothing is waited for, and the report says
    /// [`OldLink::Released`](crate::ensure::OldLink::Released). It waits once the lock is released,
    /// so no other agent waits with it. To look for a link by its id takes `CAP_SYS_ADMIN`; without
    /// it the report says [`OldLink::Unknown`](crate::ensure::OldLink::Unknown).
    pub fn wait_for_old(mut self, time: Duration) -> Self {
        self.options.wait_for_old = Some(time);
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

    /// Keeps links of the directory that run their programs already, though the kernel does not
    /// report all of their options: see [`Ensure::keep_unreported`](crate::Ensure::keep_unreported).
    pub fn keep_unreported(mut self) -> Self {
        self.options.keep_unreported = true;
        self
    }
}
