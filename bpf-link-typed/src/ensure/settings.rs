//! What the caller asks of a run.

use std::time::Duration;

use crate::ensure::decide::AboutOurs;
use crate::ensure::{Attach, Ensure, Ours};

impl<A: Attach> Ensure<A> {
    /// Makes the directories that the pin is to be in, as far as they are missing, with this mode
    /// less the umask. Nobody else may write to them, whatever the mode says. If nothing is pinned
    /// after all, they are removed again.
    pub fn create_parents(mut self, mode: u32) -> Self {
        self.options.parents = Some(mode);
        self
    }

    /// Replaces what is pinned at the path even if it is a map, a program, a symbolic link, or a
    /// link of another kind. A directory is never replaced.
    pub fn replace_other(mut self) -> Self {
        self.options.replace_other = true;
        self
    }

    /// Waits for the lock of the pin's directory for at most so long; without this, for ten seconds
    /// ([`PinLock::PATIENCE`](bpf_link::PinLock::PATIENCE)). Zero is not to wait at all.
    pub fn lock_within(mut self, time: Duration) -> Self {
        self.options.lock_within = time;
        self
    }

    /// Goes on where other users can write to a directory that the path leads through, or to the
    /// pin's own, or where one of these or a symbolic link belongs to another user than root or us:
    /// see [`check_directories`](bpf_link::check_directories).
    ///
    /// Such a user can replace the agent's link with another one, and keep the lock.
    pub fn allow_shared_directories(mut self) -> Self {
        self.options.trust.shared_directories = true;
        self
    }

    /// Goes on where what is pinned at the path belongs to another user, who can open it and so do
    /// everything to the link. The pin that a run leaves is ours.
    ///
    /// What the other user has opened before stays open.
    pub fn allow_other_owner(mut self) -> Self {
        self.options.trust.other_owner = true;
        self
    }

    /// Keeps the link that is pinned at the path if it runs this program and the kernel does not
    /// report all of its options: they are taken to be the ones that are wanted.
    ///
    /// Without this, such a link is replaced by one with these options in each run, as
    /// [`Why::NotReported`](crate::ensure::Why::NotReported) says: the table of kinds lists which
    /// options those are.
    pub fn keep_unreported(mut self) -> Self {
        self.options.keep_unreported = true;
        self
    }

    /// Puts a tcx, netkit or cgroup link that is not in the position that was asked for any more
    /// back there, by another link: [`Why::OutOfPlace`](crate::ensure::Why::OutOfPlace).
    ///
    /// A tcx or netkit hook does not take one program twice, so for a link that runs this very
    /// program there is a gap, and the outcome says so. Without this, the link stays where it is,
    /// and [`Ensured::is_in_place`](crate::Ensured::is_in_place) reports it.
    pub fn restore_position(mut self) -> Self {
        self.options.restore_position = true;
        self
    }

    /// Takes a link over that is on the hook and ours, but not pinned at the path: the pin was
    /// removed, or is another. It is pinned at the path, and then treated like any that was pinned
    /// there.
    ///
    /// Looked for whenever a link would be attached where none is known to be. More than one is an
    /// error, [`Error::OursFound`](crate::Error::OursFound). To find them takes `CAP_SYS_ADMIN`
    /// ([`Error::SearchDenied`](crate::Error::SearchDenied)). If the link had to make way for
    /// another after all, as a netfilter link has, the pins of ours that it has elsewhere on the
    /// bpffs are removed. Where this kernel does not tell what a link is on, what it runs has to
    /// do.
    pub fn take_over(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, AboutOurs::TakeOver));
        self
    }

    /// Reports a link that is on the hook and ours, but not pinned at the path, as
    /// [`Error::OursFound`](crate::Error::OursFound): nothing is attached a second time.
    pub fn report(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, AboutOurs::Report));
        self
    }

    /// Waits for at most so long until a link of a kind that cannot be detached has gone after it
    /// was replaced: the outcome then says [`OldLink::Gone`](crate::ensure::OldLink::Gone) or
    /// [`OldLink::Held`](crate::ensure::OldLink::Held).
    ///
    /// Without this nothing is waited for, and the outcome says
    /// [`OldLink::Released`](crate::ensure::OldLink::Released). It waits once the lock is released,
    /// so no other agent waits with it. To look for a link by its id takes `CAP_SYS_ADMIN`; without
    /// it the outcome says [`OldLink::Unknown`](crate::ensure::OldLink::Unknown).
    pub fn wait_for_old(mut self, time: Duration) -> Self {
        self.options.wait_for_old = Some(time);
        self
    }
}
