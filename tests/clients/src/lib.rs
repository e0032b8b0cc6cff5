//! Agents as users of `bpf-link-typed` write them.
//!
//! The programs are written in C (`bpf/agent.bpf.c`) and compiled by clang. Two agents load them,
//! one with aya and one with libbpf-rs, and share the code that attaches them. The test in
//! `tests/life/` restarts, upgrades, kills and stops the agents while packets flow, and checks that
//! each packet is counted.
//!
//! The code with a loader that the guides and the README show is compiled and run here, too:
//! `tests/guide.rs`.

mod agent;
pub mod guide;
pub mod hooks;
mod object;
mod programs;
mod settings;

pub use agent::run;
pub use object::OBJECT;
pub use programs::Programs;
pub use settings::Settings;
