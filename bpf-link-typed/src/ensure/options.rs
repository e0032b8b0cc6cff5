//! What is wanted of a run, besides the hook and the program.

use std::path::PathBuf;

use crate::ensure::decide::AboutOurs;
use crate::ensure::ours::Ours;

/// What is wanted of a run, besides the hook and the program.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) path: PathBuf,
    pub(super) parents: Option<u32>,
    pub(super) replace_other: bool,
    /// What is ours, and what is done about it.
    pub(super) ours: Option<(Ours, AboutOurs)>,
}
