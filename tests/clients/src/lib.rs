//! Agents as users of `bpf-link-typed` write them.
//!
//! The programs are written in C (`bpf/agent.bpf.c`) and compiled by clang. Two agents load them,
//! one with aya and one with libbpf-rs; what they attach, and how, they share. The test in
//! `tests/life.rs` plays their life: they are restarted, upgraded, killed and stopped while packets
//! flow, and each packet has to be counted.

mod agent;
mod guide;
pub mod hooks;
mod object;
mod programs;
mod settings;

pub use agent::run;
pub use object::OBJECT;
pub use programs::Programs;
pub use settings::Settings;
