//! What errors say: the caller's own words are in their chain of causes, and nothing is said twice
//! along it.

mod attach;
mod attach_types;
mod links;
mod taken;

use crate::harness::Listed::{self, Tests};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[
    Tests(attach::TESTS),
    Tests(attach_types::TESTS),
    Tests(links::TESTS),
    Tests(taken::TESTS),
];
