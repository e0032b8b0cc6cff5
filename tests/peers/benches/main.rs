//! What the library costs beside the bare system calls, aya and libbpf-rs. `cargo xtask bench` runs
//! this and prints the results.

mod bench;
mod fixture;
mod holders;
mod info;
#[cfg(feature = "libbpf-rs")]
mod libbpf;
mod open;
mod parse;
mod set;
mod symbol;
mod update;
mod walk;

use anyhow::{Context as _, Result};
use bpf_link_tests::Sandbox;
use criterion::Criterion;

use bench::Bench;

fn main() -> Result<()> {
    if holders::is_sleeper() {
        return holders::sleep();
    }
    let criterion = Criterion::default().without_plots().configure_from_args();
    let mut bench = Bench::new(criterion)?;
    let sandbox = Sandbox::enter().context("benchmarks need root")?;
    info::measure(&mut bench, &sandbox)?;
    open::measure(&mut bench, &sandbox)?;
    update::measure(&mut bench, &sandbox)?;
    set::measure(&mut bench, &sandbox)?;
    parse::measure(&mut bench)?;
    symbol::measure(&mut bench, &sandbox)?;
    holders::measure(&mut bench, &sandbox)?;
    walk::measure(&mut bench, &sandbox)?;
    bench.end()
}
