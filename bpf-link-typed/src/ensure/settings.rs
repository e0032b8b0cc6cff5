//! What the caller asks of a run, for one link or for a set.

use crate::ensure::decide::AboutOurs;
use crate::ensure::{Attach, Ensure, Ours};

/// Defines the setters that `Ensure` and `LinkSet` share. They set fields of `options`.
macro_rules! settings_of_every_run {
    () => {
        /// Waits at most this long for the lock of the pins' directory; the default is ten seconds
        /// ([`PinLock::PATIENCE`](bpf_link::PinLock::PATIENCE)). With zero it does not wait.
        /// A later stop of the links waits as long, too.
        pub fn lock_within(mut self, time: ::std::time::Duration) -> Self {
            self.options.lock_within = time;
            self
        }

        /// Allows a path that other users can change: they may write to the pins' directory or to
        /// one above it, or one of these directories or a symbolic link on the path belongs to
        /// neither root nor the agent's own user. See
        /// [`check_directories`](bpf_link::check_directories).
        ///
        /// Such a user can replace the agent's links with other ones, and keep the lock.
        pub fn allow_shared_directories(mut self) -> Self {
            self.options.trust.shared_directories = true;
            self
        }

        /// Allows a pin that belongs to another user. That user can open it, and can then do
        /// anything to the link. The pins that a run leaves belong to the agent's own user.
        ///
        /// What the other user has opened before stays open.
        pub fn allow_other_owner(mut self) -> Self {
            self.options.trust.other_owner = true;
            self
        }

        /// Keeps a pinned link that runs its program even if the kernel does not report all of its
        /// options. They are assumed to be the wanted ones.
        ///
        /// Without this, each run replaces such a link, with
        /// [`Why::NotReported`](crate::ensure::Why::NotReported) as the reason.
        /// [`Ensure`](crate::Ensure) lists the options that are not reported.
        pub fn keep_unreported(mut self) -> Self {
            self.options.keep_unreported = true;
            self
        }

        /// Waits until replaced or removed links that cannot be detached have gone, but no longer
        /// than this for all of them together. The outcome is then
        /// [`OldLink::Gone`](crate::ensure::OldLink::Gone) or
        /// [`OldLink::Held`](crate::ensure::OldLink::Held).
        ///
        /// Without this there is no wait, and the outcome is
        /// [`OldLink::Released`](crate::ensure::OldLink::Released). The lock is released before the
        /// wait, so no other agent has to wait too. Looking for a link by its id takes
        /// `CAP_SYS_ADMIN`; without it the outcome is
        /// [`OldLink::Unknown`](crate::ensure::OldLink::Unknown).
        pub fn wait_for_old(mut self, time: ::std::time::Duration) -> Self {
            self.options.wait_for_old = Some(time);
            self
        }
    };
}
pub(crate) use settings_of_every_run;

impl<A: Attach> Ensure<A> {
    settings_of_every_run!();

    /// Makes the missing directories on the way to the pin, with this mode less the umask. Only the
    /// agent's own user may write to them, whatever the mode says. If nothing is pinned in the end,
    /// they are removed again.
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

    /// If a tcx, netkit or cgroup link is no longer in the position that was asked for, replaces it
    /// by a link that is: [`Why::OutOfPlace`](crate::ensure::Why::OutOfPlace).
    ///
    /// A tcx or netkit hook does not take a program twice. So if the link runs this very program,
    /// there is a gap, and the outcome says so. Without this call, the link stays where it is, and
    /// [`Ensured::is_in_place`](crate::Ensured::is_in_place) is false.
    pub fn restore_position(mut self) -> Self {
        self.options.restore_position = true;
        self
    }

    /// Takes over a link of ours that is on the hook but not pinned at the path, because its pin
    /// was removed or has another name. The link is pinned at the path, and then treated like any
    /// link that was pinned there.
    ///
    /// Such a link is looked for before a new link is attached. If there is more than one, the
    /// error is [`Error::OursFound`](crate::Error::OursFound). Finding them takes `CAP_SYS_ADMIN`
    /// ([`Error::SearchDenied`](crate::Error::SearchDenied)). A link that has to be replaced (every
    /// netfilter link has to) also loses its other pins on the bpffs, if they belong to us. If this
    /// kernel does not report what a link is attached to, a link is recognized by its program
    /// alone.
    pub fn take_over(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, AboutOurs::TakeOver));
        self
    }

    /// Reports a link of ours that is on the hook but not pinned at the path, as
    /// [`Error::OursFound`](crate::Error::OursFound). So nothing is attached twice.
    pub fn report(mut self, ours: Ours) -> Self {
        self.options.ours = Some((ours, AboutOurs::Report));
        self
    }
}
