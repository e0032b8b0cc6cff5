//! Compiles the programs with clang, against the headers of libbpf that libbpf-sys brings; and
//! takes the code with a loader out of the guides and the README, for `src/guide.rs`.

use std::env::{self, VarError};
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const SOURCES: [&str; 2] = ["agent", "guide"];

const README: &str = "../../README.md";
const TAKEOVER: &str = "../../bpf-link-typed/docs/takeover.md";
const FROM_AYA: &str = "../../bpf-link-typed/docs/from-aya.md";
const FROM_LIBBPF_RS: &str = "../../bpf-link-typed/docs/from-libbpf-rs.md";

/// The blocks that use a loader, in the order of each document, and what calls the function that a
/// block defines.
const BLOCKS: [(&str, &[Block]); 4] = [
    (
        README,
        &[
            Block("readme_attach", "attach(program)"),
            Block("readme_start", "start(program)"),
        ],
    ),
    (
        TAKEOVER,
        &[
            Block("takeover_aya", "example()"),
            Block("takeover_libbpf_rs", "Ok(())"),
        ],
    ),
    (FROM_AYA, &[Block("from_aya", "example()")]),
    (
        FROM_LIBBPF_RS,
        &[Block("from_libbpf_rs", "Ok(start(program)?)")],
    ),
];

struct Block(&'static str, &'static str);

fn main() -> ExitCode {
    let compiled = SOURCES.map(|name| (format!("bpf/{name}.bpf.c"), compile(name)));
    let quoted = BLOCKS.map(|(document, blocks)| (document.to_owned(), quote(document, blocks)));
    for (file, done) in compiled.into_iter().chain(quoted) {
        println!("cargo::rerun-if-changed={file}");
        if let Err(error) = done {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Writes a file for each block of a document that uses a loader: the body of a function.
fn quote(document: &str, blocks: &[Block]) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(document)?;
    // Every other part is between fences. Its first line is the language.
    let fenced = text.split("```").skip(1).step_by(2);
    let code = fenced.filter_map(|block| block.split_once('\n'));
    let is_with_a_loader = |code: &&str| code.contains("aya::") || code.contains("libbpf_rs::");
    let code: Vec<&str> = code
        .map(|(_, code)| code)
        .filter(is_with_a_loader)
        .collect();
    if code.len() != blocks.len() {
        let (found, known) = (code.len(), blocks.len());
        return Err(format!("{found} blocks use a loader, and build.rs has {known}").into());
    }
    for (Block(name, call), code) in blocks.iter().zip(code) {
        // What documentation hides.
        let lines = code.lines();
        let lines = lines.map(|line| line.strip_prefix("# ").unwrap_or(line));
        let body = lines.collect::<Vec<_>>().join("\n");
        let file = PathBuf::from(env::var("OUT_DIR")?).join(format!("{name}.rs"));
        fs::write(file, format!("{{\n{body}\n{call}\n}}\n"))?;
    }
    Ok(())
}

fn compile(name: &str) -> Result<(), Box<dyn Error>> {
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
        .args([&format!("bpf/{name}.bpf.c"), "-o"])
        .arg(PathBuf::from(variable("OUT_DIR")?).join(format!("{name}.bpf.o")))
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("clang: {status}").into())
    }
}
