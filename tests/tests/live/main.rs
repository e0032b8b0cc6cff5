//! The live tests: what the libraries do on the kernel that runs here.
//!
//! Every test runs in a process and a sandbox of its own. What it needs and this kernel, machine or
//! user does not have is reported as the reason for which it was ignored, never passed over.
//! `harness` says how, and how to add a test.
#![forbid(unsafe_code)]

mod basis;
mod binary;
mod commands;
mod ensure;
mod errors;
mod examples;
mod fixture;
mod functions;
mod harness;
mod inspect;
mod kernel_functions;
mod kinds;
mod lifetime;
mod lister;
mod objects;
mod pin;
mod selftests;
mod set;
mod snapshot;
mod soak;
mod suites;
mod typed;

use std::process::ExitCode;

use harness::Listed::{self, Folder, Roles, Tests};

/// What every file lists.
const ALL: &[Listed] = &[
    Folder(basis::ALL),
    Folder(binary::ALL),
    Folder(commands::ALL),
    Folder(ensure::ALL),
    Folder(errors::ALL),
    Folder(examples::ALL),
    Roles(fixture::there::ROLES),
    Folder(inspect::ALL),
    Folder(kernel_functions::ALL),
    Folder(kinds::ALL),
    Folder(lifetime::ALL),
    Folder(lister::ALL),
    Folder(objects::ALL),
    Folder(pin::ALL),
    Folder(selftests::ALL),
    Folder(set::ALL),
    Folder(snapshot::ALL),
    Tests(soak::TESTS),
    Roles(soak::ROLES),
    Folder(typed::ALL),
];

fn main() -> ExitCode {
    harness::main(ALL)
}
