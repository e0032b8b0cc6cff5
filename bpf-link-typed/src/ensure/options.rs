//! What is wanted of a run, besides the hook and the program.

use std::path::PathBuf;
use std::time::Duration;

use crate::ensure::decide::AboutOurs;
use crate::ensure::ours::Ours;

/// Which other users are trusted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    /// Those who can write to the directories that the path leads through.
    pub(crate) shared_directories: bool,
    /// The owner of the pin.
    pub(crate) other_owner: bool,
}

/// What is wanted of a run, besides the hook and the program.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) path: PathBuf,
    pub(super) parents: Option<u32>,
    pub(super) trust: Trust,
    /// How long to wait for the lock.
    pub(super) lock_within: Duration,
    pub(super) replace_other: bool,
    /// A link that runs the program is kept even if the kernel does not report all of its options.
    pub(super) keep_unreported: bool,
    /// A link that is out of its place is put back there.
    pub(super) restore_position: bool,
    /// What is ours, and what is done about it.
    pub(super) ours: Option<(Ours, AboutOurs)>,
    /// How long to wait, once the lock is released, for an old link that cannot be detached to go.
    pub(super) wait_for_old: Option<Duration>,
}
