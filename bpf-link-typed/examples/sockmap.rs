//! Runs a program on each message that a socket of a map sends.
//!
//! A sockmap is an array of sockets, which the owner of the sockets puts in. The program decides
//! what becomes of a message: it passes, it is dropped, or another socket of the map gets it.
//!
//! As root, on Linux 6.10 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- sockmap /sys/fs/bpf/sockets
//! cargo run -p bpf-link-tests --bin pin-program -- sk_msg /sys/fs/bpf/verdict
//! cargo run -p bpf-link-typed --example sockmap -- /sys/fs/bpf/sockets /sys/fs/bpf/verdict
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::{SockmapAttach, SockmapHook, open_pinned_map, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [map, program] = arguments.as_slice() else {
        bail!("usage: sockmap MAP PROGRAM");
    };
    let map = open_pinned_map(map)?;

    // The program runs for sockets that are put into the map from now on. A map has at most one
    // program for each hook.
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(open_pinned_program(program)?)?;
    println!(
        "Link {} runs the program on what the sockets of the map send.",
        link.id()?
    );

    println!("Press Enter to detach it.");
    std::io::stdin().read_line(&mut String::new())?;
    // The link is not pinned, and nobody else holds it.
    drop(link);
    println!("It is detached.");
    Ok(())
}
