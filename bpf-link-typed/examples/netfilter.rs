//! Runs a program on the packets that this machine receives, next to the rules of nftables.
//!
//! Everything on a netfilter hook has a priority of its own, and the lowest runs first: connection
//! tracking at -200, destination NAT at -100, the usual filters at 0.
//!
//! As root, on Linux 6.4 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- netfilter /sys/fs/bpf/filter
//! cargo run -p bpf-link-typed --example netfilter -- /sys/fs/bpf/filter -10
//! ```

use anyhow::{Context as _, Result, bail};
use bpf_link_typed::{Error, NetfilterAttach, NetfilterFamily, NetfilterHook, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, priority] = arguments.as_slice() else {
        bail!("usage: netfilter PROGRAM PRIORITY");
    };
    let priority = priority.parse().context("a priority is a number")?;
    let program = open_pinned_program(program)?;

    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, priority);
    let link = match to.attach(&program) {
        // The error names the links that may have it.
        Err(error @ Error::PriorityTaken { .. }) => {
            return Err(error).context("use another priority");
        }
        attached => attached?,
    };
    println!(
        "Link {} runs the program on what is received over IPv4, at priority {}.",
        link.id()?,
        link.info()?.priority
    );

    println!("Press Enter to detach it.");
    std::io::stdin().read_line(&mut String::new())?;
    // The link is not pinned, and nobody else holds it.
    drop(link);
    println!("It is detached.");
    Ok(())
}
