//! Links and their owners: by whom a link is held, and what is left when an owner dies.

mod kill;
mod ownership;

use crate::harness::Listed::{self, Roles, Tests};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[
    Tests(kill::TESTS),
    Roles(kill::ROLES),
    Tests(ownership::TESTS),
    Roles(ownership::ROLES),
];
