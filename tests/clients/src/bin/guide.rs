//! Runs code of the guides and of the README.

use std::process::ExitCode;

fn main() -> ExitCode {
    bpf_link_clients::guide::run(&std::env::args().nth(1).unwrap_or_default())
}
