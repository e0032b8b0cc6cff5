//! What holds for several kinds alike: suites, which the files of the kinds run over their own.

pub(crate) mod conformance;
pub(crate) mod descriptor_zero;
pub(crate) mod lent_array;
pub(crate) mod lent_name;
pub(crate) mod positions;
mod sorts;

use crate::harness::Listed::{self, Folder};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[Folder(sorts::ALL)];
