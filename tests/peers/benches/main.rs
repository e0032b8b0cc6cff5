//! What this library costs beside the bare system calls, aya and libbpf-rs. `cargo xtask bench` runs this and prints the results.

mod fixture;
mod info;
#[cfg(feature = "libbpf-rs")]
mod libbpf;
mod open;
mod parse;
mod update;
mod walk;

use std::time::Duration;

use anyhow::{Context as _, Result};
use bpf_link_tests::Sandbox;
use criterion::Criterion;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .without_plots()
        .configure_from_args();
    let sandbox = Sandbox::enter().context("benchmarks need root")?;
    info::measure(&mut criterion, &sandbox)?;
    open::measure(&mut criterion, &sandbox)?;
    update::measure(&mut criterion, &sandbox)?;
    parse::measure(&mut criterion)?;
    walk::measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Measures, and prints the result unless the filter on the command line leaves it out.
fn compare(
    criterion: &mut Criterion,
    name: &str,
    turn: u64,
    sides: Vec<bpf_link_peers::Side<'_>>,
) -> Option<bpf_link_peers::Measure> {
    let measure = bpf_link_peers::Measure::take(criterion, name, turn, sides)?;
    println!("{measure}");
    Some(measure)
}
