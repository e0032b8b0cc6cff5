//! Compiles the programs with clang, against the headers of libbpf that libbpf-sys brings; and
//! takes the code with libbpf-rs out of the guide, for `src/guide.rs`.

use std::env::{self, VarError};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const SOURCE: &str = "bpf/agent.bpf.c";
const GUIDE: &str = "../../bpf-link-typed/docs/takeover.md";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={GUIDE}");
    for (file, done) in [(SOURCE, compile()), (GUIDE, quote())] {
        if let Err(error) = done {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Writes the body of a function, from the only block of the guide that its own crate cannot
/// compile.
fn quote() -> Result<(), Box<dyn std::error::Error>> {
    let guide = fs::read_to_string(GUIDE)?;
    let block = guide
        .split_once("```ignore\n")
        .and_then(|(_, rest)| rest.split_once("```"));
    let (block, _) = block.ok_or("it has no code with libbpf-rs")?;
    let file = PathBuf::from(env::var("OUT_DIR")?).join("with_libbpf_rs.rs");
    Ok(fs::write(file, format!("{{\n{block}Ok(())\n}}\n"))?)
}

fn compile() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| -> Result<String, VarError> { env::var(name) };
    let architecture = variable("CARGO_CFG_TARGET_ARCH")?;
    let byte_order = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb",
        _ => "bpfel",
    };
    let status = Command::new("clang")
        .args(["-target", byte_order, "-mcpu=v3", "-O2", "-g", "-c"])
        .args(["-Wall", "-Wextra", "-Werror"])
        .args(["-isystem", &variable("DEP_BPF_INCLUDE")?])
        // Where Debian has `asm/types.h`; clang does not look there for BPF.
        .arg(format!("-I/usr/include/{architecture}-linux-gnu"))
        .args([SOURCE, "-o"])
        .arg(PathBuf::from(variable("OUT_DIR")?).join("agent.bpf.o"))
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("clang: {status}").into())
    }
}
