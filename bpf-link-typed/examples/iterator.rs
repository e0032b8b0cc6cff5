//! Reads an iterator: the kernel runs a program for each of its tasks, maps or sockets, and what
//! the program writes is read as from a file.
//!
//! As root, on Linux 5.10 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- iter/task /sys/fs/bpf/tasks
//! cargo run -p bpf-link-typed --example iterator -- /sys/fs/bpf/tasks
//! ```

use std::io::{BufRead as _, BufReader};

use anyhow::{Result, bail};
use bpf_link_typed::{IterAttach, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program] = arguments.as_slice() else {
        bail!("usage: iterator PROGRAM");
    };

    // Over all tasks, maps or sockets. There are also `over_map` for the elements of a map,
    // `over_tasks` for one process and `over_cgroups` for a part of the tree.
    let link = IterAttach::over_all().attach(open_pinned_program(program)?)?;

    // Each file is a new run. If the link is pinned, `cat` does the same.
    let mut records = 0;
    for record in BufReader::new(link.create_iter()?).lines() {
        println!("{}", record?);
        records += 1;
    }
    println!("The program wrote {records} lines.");
    Ok(())
}
