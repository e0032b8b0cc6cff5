//! The agent that loads its programs with libbpf-rs.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bpf_link_clients::{OBJECT, Programs, Settings, run};
use libbpf_rs::ObjectBuilder;

fn main() -> ExitCode {
    run(load)
}

fn load(settings: &Settings) -> Result<Programs> {
    let mut object = ObjectBuilder::default()
        .pin_root_path(settings.maps())?
        .open_memory(OBJECT)?;
    let mut constants = object
        .maps_mut()
        .find(|map| map.name().to_string_lossy().ends_with(".rodata"))
        .context("the constants of the programs")?;
    // `settings` is the only one.
    let values = [settings.version, settings.port].map(u32::to_ne_bytes);
    constants.set_initial_value(values.as_flattened())?;
    let object = object.load()?;
    let mut programs = Programs::default();
    for program in object.progs() {
        programs.add(&program.name().to_string_lossy(), &program)?;
    }
    Ok(programs)
}
