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

        /// Continues where other users can write to the pins' directory, or to one that its path
        /// leads through, or where one of these or a symbolic link belongs to another user than
        /// root or us: see [`check_directories`](bpf_link::check_directories).
        ///
        /// Such a user can replace the agent's links with other ones, and keep the lock.
        pub fn allow_shared_directories(mut self) -> Self {
            self.options.trust.shared_directories = true;
            self
        }

        /// Continues where what is pinned belongs to another user, who can open it and so do
        /// everything to the link. The pins that a run leaves are ours.
        ///
        /// What the other user has opened before stays open.
        pub fn allow_other_owner(mut self) -> Self {
            self.options.trust.other_owner = true;
            self
        }

        /// Keeps a pinned link that runs its program if the kernel does not report all of its
        /// options: they are assumed to be the ones that are wanted.
        ///
        /// Without this, each run replaces such a link by one with these options, as
        /// [`Why::NotReported`](crate::ensure::Why::NotReported) says.
        /// [`Ensure`](crate::Ensure) lists which options those are.
        pub fn keep_unreported(mut self) -> Self {
            self.options.keep_unreported = true;
            self
        }

        /// Waits, at most this long in all, until replaced or removed links of a kind that cannot
        /// be detached have gone: the outcome then says
        /// [`OldLink::Gone`](crate::ensure::OldLink::Gone) or
        /// [`OldLink::Held`](crate::ensure::OldLink::Held).
        ///
        /// Without this it does not wait, and the outcome says
        /// [`OldLink::Released`](crate::ensure::OldLink::Released). The lock is released before, so
        /// no other agent waits. Looking for a link by its id takes `CAP_SYS_ADMIN`; without it the
        /// outcome says [`OldLink::Unknown`](crate::ensure::OldLink::Unknown).
        pub fn wait_for_old(mut self, time: ::std::time::Duration) -> Self {
            self.options.wait_for_old = Some(time);
            self
        }
    };
}
pub(crate) use settings_of_every_run;

impl<A: Attach> Ensure<A> {
    settings_of_every_run!();

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
}
