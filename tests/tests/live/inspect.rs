//! All links of a machine: which there are, who holds them, where they are pinned, and what is
//! attached to one place.

pub(crate) mod holders;
mod hooks;
mod inventory;
mod pins;

use crate::harness::Listed::{self, Folder, Tests};

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Folder(holders::ALL),
    Folder(hooks::ALL),
    Tests(inventory::TESTS),
    Tests(pins::TESTS),
];
