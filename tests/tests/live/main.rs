//! The live tests: what the libraries do on the kernel that runs here.
//!
//! Every test runs in a process and a sandbox of its own. What it needs and this kernel, machine or user does not have is reported as the
//! reason for which it was ignored, never passed over. `harness` says how, and how to add a test.
#![forbid(unsafe_code)]

mod allocations;
mod conformance;
mod fixture;
mod harness;
mod hooks;
mod needs;
mod ownership;
mod pin;
mod pin_at;
mod sandbox;
mod traffic;
mod update;
mod walk;
mod xdp;

use std::process::ExitCode;

use harness::{Role, Test};

/// Every file's tests.
const TESTS: &[&[Test]] = &[
    allocations::TESTS,
    hooks::TESTS,
    needs::TESTS,
    ownership::TESTS,
    pin::TESTS,
    pin_at::TESTS,
    sandbox::TESTS,
    update::TESTS,
    walk::TESTS,
    xdp::TESTS,
];

/// Every file's roles: what its tests have other processes do.
const ROLES: &[&[Role]] = &[ownership::ROLES, sandbox::ROLES];

fn main() -> ExitCode {
    harness::main(TESTS, ROLES)
}
