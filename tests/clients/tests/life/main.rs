//! The life of an agent while packets flow: it is started, restarted, killed, upgraded and stopped,
//! and each packet has to be counted on each hook.
//!
//! Packets go from a client to a server and back, one at a time. Which hook counted which of them,
//! and in which version of the agent, is in a map that outlives the agents.

mod agent;
mod counted;
mod life;
mod scene;
mod traffic;

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

/// The agents know their links by the names of their programs, which are the same for both. Some of
/// their hooks are those of the whole machine: each would take the other's links over.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn play(name: &str, program: &str) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    life::play(name, program)
}

#[test]
fn of_an_agent_with_aya() -> Result<()> {
    play("aya", env!("CARGO_BIN_EXE_aya-agent"))
}

#[test]
fn of_an_agent_with_libbpf_rs() -> Result<()> {
    play("libbpf", env!("CARGO_BIN_EXE_libbpf-agent"))
}
