//! All links of a machine: which there are, who holds them, where they are pinned, what they are
//! called, and what is attached to one place.

mod description;
pub(crate) mod holders;
mod hooks;
mod inventory;
mod names;
mod pins;

use crate::harness::Listed::{self, Folder, Tests};

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(description::TESTS),
    Folder(holders::ALL),
    Folder(hooks::ALL),
    Tests(inventory::TESTS),
    Tests(names::TESTS),
    Tests(pins::TESTS),
];
