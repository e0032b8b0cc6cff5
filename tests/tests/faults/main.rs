//! Faults: what the libraries do when a system call fails that does not fail otherwise.
//!
//! `strace` makes calls of a process of ours fail with a given error number, one at a time: this is
//! no stand-in for the kernel, as all other calls reach it. A judge starts the process (the
//! driver), which does every operation again and again, with the fault in its first call, in its
//! second, and so on, and says what came of it. Each time:
//!
//! - the operation does not panic, and leaves no descriptor, pin or link behind;
//! - its error has the error number that the fault had, unless `answers.rs` says that this is
//!   an answer like another;
//! - what it says is how the kernel has it: done, or as before;
//! - the next call works.
//!
//! | file | what |
//! |---|---|
//! | `judge.rs` | starts drivers under `strace`, and judges what they say |
//! | `answers.rs` | the faults that are answers of the kernel like others |
//! | `lifecycle.rs` | the same for the example `lifecycle`, as it is |
//! | `injected.rs` | has `strace` run a command with faults, and reads its log |
//! | `driver.rs` | the process in which the operations are done |
//! | `run.rs` | one operation, done once with one fault |
//! | `call.rs` | the system calls that faults are put into |
//! | `observation.rs` | what came of an operation, as a line of JSON |
//! | `at_once.rs` | several of them at the same time |
//! | `operations/` | the operations |
//!
//! The machine that tests run on in a VM has no `strace`, so this is a test binary of its own, for
//! the host only: `cargo test -p bpf-link-tests --test faults`.
#![forbid(unsafe_code)]

mod answers;
mod at_once;
mod call;
mod driver;
mod injected;
mod judge;
mod lifecycle;
mod observation;
mod operations;
mod run;
#[path = "../live/harness/turn.rs"]
mod turn;

use std::process::ExitCode;

fn main() -> ExitCode {
    match driver::Task::from_environment() {
        Some(task) => driver::main(&task),
        None => judge::main(),
    }
}
