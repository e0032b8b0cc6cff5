//! The agent that loads its programs with aya.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use aya::EbpfLoader;
use aya::programs::Program;
use bpf_link_clients::{OBJECT, Programs, Settings, run};

fn main() -> ExitCode {
    run(load)
}

fn load(settings: &Settings) -> Result<Programs> {
    let mut object = EbpfLoader::new()
        .default_map_pin_directory(settings.maps())
        .override_global("settings", &[settings.version, settings.port], true)
        .load(OBJECT)?;
    let mut programs = Programs::default();
    for (name, program) in object.programs_mut() {
        load_program(program).with_context(|| name.to_owned())?;
        programs.add(name, program.fd()?)?;
    }
    Ok(programs)
}

/// Each type of program is loaded by a method of its own.
fn load_program(program: &mut Program) -> Result<()> {
    match program {
        Program::Xdp(program) => program.load()?,
        Program::SchedClassifier(program) => program.load()?,
        Program::CgroupSkb(program) => program.load()?,
        Program::CgroupSockAddr(program) => program.load()?,
        Program::SkLookup(program) => program.load()?,
        Program::RawTracePoint(program) => program.load()?,
        Program::TracePoint(program) => program.load()?,
        other => bail!("a program of type {:?}", other.prog_type()),
    }
    Ok(())
}
