//! Takes over all links of an earlier run, or none of them.
//!
//! The agent has two links on a device, for the packets that come in and for those that go out. Run
//! it once, then again with other programs: the links stay, the new programs run, and no packet is
//! missed in between.
//!
//! As root, on Linux 6.6 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- tcx/ingress /sys/fs/bpf/in
//! cargo run -p bpf-link-tests --bin pin-program -- tcx/egress /sys/fs/bpf/out
//! cargo run -p bpf-link-typed --example take_over -- \
//!     /sys/fs/bpf/links lo /sys/fs/bpf/in /sys/fs/bpf/out
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::set::Stale;
use bpf_link_typed::{LinkSet, TcxAttach, TcxHook, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pins, device, ingress, egress] = arguments.as_slice() else {
        bail!("usage: take_over DIRECTORY DEVICE INGRESS_PROGRAM EGRESS_PROGRAM");
    };

    // What this version of the agent wants. Other links that are pinned in the directory are
    // detached.
    let mut set = LinkSet::in_dir(pins)
        .create_dir(0o700)
        .remove_stale(Stale::all());
    for (name, hook, program) in [
        ("ingress", TcxHook::Ingress, ingress),
        ("egress", TcxHook::Egress, egress),
    ] {
        let to = TcxAttach::to(device.as_str(), hook);
        set.add(name, to, open_pinned_program(program)?)?;
    }

    println!("To do:");
    print!("{}", set.plan()?);
    // If one of the links is refused, everything is as it was before.
    let applied = set.apply()?;
    println!("Done:");
    print!("{}", applied.report());
    println!("The programs run on when this process ends. To stop them: rm -r {pins}");
    Ok(())
}
