//! Runs a program a given number of times per second on each processor, as a profiler does.
//!
//! As root, on Linux 5.15 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- perf_event /sys/fs/bpf/samples
//! cargo run -p bpf-link-typed --example profile -- /sys/fs/bpf/samples 99
//! ```

use anyhow::{Context as _, Result, bail};
use bpf_link_typed::{CounterEvent, PerfEventAttach, SoftwareEvent, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, hertz] = arguments.as_slice() else {
        bail!("usage: profile PROGRAM TIMES_PER_SECOND");
    };
    let hertz = hertz.parse().context("times per second are a number")?;
    let program = open_pinned_program(program)?;

    // Every machine has this clock. It ticks on a processor that is busy; one that idles is not
    // sampled.
    let clock = CounterEvent::with_frequency(SoftwareEvent::CpuClock, hertz);
    let mut links = Vec::new();
    for counter in clock.each_processor()? {
        links.push(PerfEventAttach::to(counter).attach(&program)?);
    }
    println!(
        "{} links run the program {hertz} times per second, one on each processor.",
        links.len()
    );

    println!("Press Enter to detach them.");
    std::io::stdin().read_line(&mut String::new())?;
    // The links are not pinned, and nobody else holds them.
    drop(links);
    println!("They are detached.");
    Ok(())
}
