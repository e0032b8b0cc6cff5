//! The code with a loader that the guides and the README show, word for word: `build.rs` takes it
//! from there. The binary `guide` runs it.

use std::error::Error;
use std::process::ExitCode;

use aya::programs::SchedClassifier;
use libbpf_rs::ObjectBuilder;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

macro_rules! block {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"))
    };
}

/// Runs the block of this name, in a directory with `agent.bpf.o`.
pub fn run(name: &str) -> ExitCode {
    let result = match name {
        "readme_attach" => with_classifier(readme_attach),
        "readme_start" => with_classifier(readme_start),
        "takeover_aya" => takeover_aya(),
        "takeover_libbpf_rs" => takeover_libbpf_rs(),
        "from_aya" => from_aya(),
        "from_libbpf_rs" => from_libbpf_rs(),
        _ => Err("there is no such block".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn readme_attach(program: &SchedClassifier) -> Result<()> {
    block!("readme_attach")
}

fn readme_start(program: &SchedClassifier) -> Result<()> {
    block!("readme_start")
}

fn takeover_aya() -> Result<()> {
    block!("takeover_aya")
}

fn takeover_libbpf_rs() -> Result<()> {
    block!("takeover_libbpf_rs")
}

fn from_aya() -> Result<()> {
    block!("from_aya")
}

fn from_libbpf_rs() -> Result<()> {
    let object = ObjectBuilder::default().open_file("agent.bpf.o")?.load()?;
    let mut programs = object.progs();
    let program = programs.find(|program| program.name() == "classify");
    let program = &program.ok_or("no such program")?;
    block!("from_libbpf_rs")
}

/// Passes a program to one of the README's functions, which say nothing about loading it.
fn with_classifier(run: fn(&SchedClassifier) -> Result<()>) -> Result<()> {
    let mut ebpf = aya::Ebpf::load_file("agent.bpf.o")?;
    let program = ebpf.program_mut("classify").ok_or("no such program")?;
    let program: &mut SchedClassifier = program.try_into()?;
    program.load()?;
    run(program)
}
