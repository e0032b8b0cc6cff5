//! Registers a TCP congestion control whose functions are BPF programs.
//!
//! The programs are in a map of callbacks (`SEC(".struct_ops.link")`), and the link is made from
//! the map. Sockets then choose the congestion control by its name, with `TCP_CONGESTION`.
//!
//! As root, on Linux 6.4 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- struct_ops/mine /sys/fs/bpf/mine
//! cargo run -p bpf-link-typed --example struct_ops -- /sys/fs/bpf/mine
//! ```
//!
//! While it waits, the kernel lists the name. See it in another terminal:
//!
//! ```console
//! grep mine /proc/sys/net/ipv4/tcp_available_congestion_control
//! ```

use anyhow::{Context as _, Result, bail};
use bpf_link_typed::{StructOpsAttach, StructOpsMap, open_pinned_map};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [map] = arguments.as_slice() else {
        bail!("usage: struct_ops MAP");
    };
    let map = open_pinned_map(map)?;
    let callbacks = StructOpsMap::of(&map)?.context("this is not a map of callbacks")?;

    let link = StructOpsAttach::of(&map).attach()?;
    println!(
        "Link {} registers map {} as {:?}.",
        link.id()?,
        callbacks.map.id,
        callbacks.registered_name.unwrap_or_default()
    );

    println!("Press Enter to take it back.");
    std::io::stdin().read_line(&mut String::new())?;
    // The link is not pinned, and nobody else holds it. Connections that use the callbacks keep
    // them.
    drop(link);
    println!("The name is free again.");
    Ok(())
}
