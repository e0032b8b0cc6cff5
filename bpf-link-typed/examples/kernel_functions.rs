//! Runs a program at each call of the kernel's functions that match a pattern.
//!
//! As root, on Linux 5.18 or later with fprobe (`CONFIG_FPROBE`), with tracefs mounted
//! (`mount -t tracefs tracefs /sys/kernel/tracing`):
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- kprobe.multi /sys/fs/bpf/vfs
//! cargo run -p bpf-link-typed --example kernel_functions -- /sys/fs/bpf/vfs 'vfs_*'
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::attach::When;
use bpf_link_typed::{KernelFunctions, KprobeMultiAttach, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, pattern] = arguments.as_slice() else {
        bail!("usage: kernel_functions PROGRAM PATTERN");
    };

    // Only functions that can be traced. To attach to all of them without looking at them first,
    // `KprobeMultiAttach::matching` is enough.
    let functions = KernelFunctions::traceable()?.functions_matching(pattern)?;
    for function in &functions {
        println!("- {}", function.name);
    }
    let to = KprobeMultiAttach::to_functions(When::Entry, &functions);
    let link = to.attach(open_pinned_program(program)?)?;
    println!(
        "Link {} runs the program at each call of these {} functions.",
        link.id()?,
        functions.len()
    );

    println!("Press Enter to detach it.");
    std::io::stdin().read_line(&mut String::new())?;
    // Since Linux 6.7 the kernel says how often the program could not run.
    if let Some(missed) = link.info()?.missed {
        println!("The program missed {missed} calls.");
    }
    // The link is not pinned, and nobody else holds it.
    drop(link);
    println!("It is detached.");
    Ok(())
}
