//! How the live tests run.
//!
//! To add a test, write a function `fn name(sandbox: &Sandbox) -> Result<()>` in the file of its
//! topic and list it in the file's `TESTS`: `test!(name)`, with `.needs(..)` if it needs what not
//! every kernel has. A new file goes into the `ALL` of its folder. What is not listed is dead code:
//! the compiler warns of it, and `.ci/run` fails.
//!
//! | file | what |
//! |---|---|
//! | `test.rs` | a test, as data |
//! | `listed.rs` | the lists of tests and roles that files and folders have |
//! | `need.rs` | what a test needs, and how the machine is asked for it |
//! | `parent.rs` | the process that the tests are counted in: starts a child for each, waits, judges |
//! | `child.rs` | the process of one test |
//! | `ended.rs` | that process seen from outside, from its start to its end |
//! | `outcome.rs` | what became of a test, and the line in which the child says so |
//! | `left_over.rs` | what a test has left behind on the kernel |
//! | `lister.rs`, `example.rs` | the program `bpf-links` and the examples, which some tests run |
//! | `cargo.rs` | building them |
//! | `turn.rs` | which tests may run at the same time |
//! | `role.rs` | the other processes of a test |
//! | `absent.rs`, `strict.rs` | what which kernel does not have, so that tests may be skipped there, and `BPF_LINK_STRICT=1` |
//! | `beyond.rs` | `BPF_LINK_BEYOND=6.18`: only the tests that kernels of this series cannot run |
//! | `report.rs` | `BPF_LINK_REPORT=PATH`: a line of JSON for each test |

mod absent;
mod beyond;
mod cargo;
mod child;
mod ended;
pub(crate) mod example;
mod kernel;
mod left_over;
mod listed;
pub(crate) mod lister;
mod need;
mod outcome;
mod parent;
mod report;
pub(crate) mod role;
mod strict;
mod test;
mod turn;

use std::process::ExitCode;

pub(crate) use listed::Listed;
pub(crate) use need::Need;
pub(crate) use role::{Role, role};
pub(crate) use test::{Test, test};

/// Does the work of a role that nobody has started for a test, while no test runs.
pub(crate) fn alone<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    turn::take(true, work)
}

/// Runs whatever this process was started as: the test binary, the child of one test, or a role.
pub(crate) fn main(lists: &'static [Listed]) -> ExitCode {
    if let Ok(name) = std::env::var(role::VARIABLE) {
        return role::run(&name, &Listed::roles(lists));
    }
    let tests = Listed::tests(lists);
    match std::env::var(child::VARIABLE) {
        Ok(name) => child::run(&name, &tests),
        Err(_) => parent::run(&tests),
    }
}
