//! Compiles the programs with clang, against the headers of libbpf that libbpf-sys brings.

use std::env::{self, VarError};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const SOURCE: &str = "bpf/agent.bpf.c";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed={SOURCE}");
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{SOURCE}: {error}");
            ExitCode::FAILURE
        }
    }
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
