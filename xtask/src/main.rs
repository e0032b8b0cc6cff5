//! What a maintainer of this workspace runs: `cargo xtask <task>`.

mod architecture;
mod asan;
mod bench;
mod check_architectures;
mod command;
mod debian;
mod debian_rust;
mod features;
mod fuzz;
mod lock;
mod oldest_dependencies;
mod oldest_rust;
mod picture;
mod progress;
mod public_api;
mod published;
mod regen_bindings;
mod sanitizer;
mod soak;
mod vm_test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the tests with every access to memory checked
    Asan(asan::Args),
    /// Measures the library beside the bare system calls, aya and libbpf-rs
    Bench(bench::Args),
    /// Builds the published crates for other architectures, and tests them on two under emulation
    CheckArchitectures(check_architectures::Args),
    /// Builds the published crates with each of their features alone
    Features(features::Args),
    /// Feeds the parsers with hostile input
    Fuzz(fuzz::Args),
    /// Builds the published crates with the oldest dependencies that they allow
    OldestDependencies(oldest_dependencies::Args),
    /// Builds the published crates with the oldest Rust that they allow
    OldestRust(oldest_rust::Args),
    /// Draws the README's picture of bpf-links
    Picture(picture::Args),
    /// Writes down what the published crates offer, or compares
    PublicApi(public_api::Args),
    /// Regenerates the bindings of bpf-link-sys from the kernel's UAPI headers
    RegenBindings(regen_bindings::Args),
    /// Does everything to links at random, and holds it against a model
    Soak(soak::Args),
    /// Boots real kernels under QEMU and runs the live tests in them
    VmTest(vm_test::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Asan(args) => asan::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::CheckArchitectures(args) => check_architectures::run(&args),
        Task::Features(args) => features::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::OldestDependencies(args) => oldest_dependencies::run(&args),
        Task::OldestRust(args) => oldest_rust::run(&args),
        Task::Picture(args) => picture::run(&args),
        Task::PublicApi(args) => public_api::run(&args),
        Task::RegenBindings(args) => regen_bindings::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::VmTest(args) => vm_test::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
