//! What the other tests stand on: the bindings, the sandbox, and what tests are skipped by.

mod abi;
mod hooks;
mod needs;
mod sandbox;

use crate::harness::Listed::{self, Roles, Tests};

/// What these files list.
pub(crate) const ALL: &[Listed] = &[
    Tests(abi::TESTS),
    Tests(hooks::TESTS),
    Tests(needs::TESTS),
    Tests(sandbox::TESTS),
    Roles(sandbox::ROLES),
];
