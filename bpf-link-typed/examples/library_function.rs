//! Runs a program at each call of a function of a library, in all processes that have the library.
//!
//! As root, on Linux 6.6 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- uprobe.multi /sys/fs/bpf/mallocs
//! cargo run -p bpf-link-typed --features elf --example library_function -- \
//!     /sys/fs/bpf/mallocs libc malloc
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::attach::When;
use bpf_link_typed::{Binary, UprobeMultiAttach, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, library, function] = arguments.as_slice() else {
        bail!("usage: library_function PROGRAM LIBRARY FUNCTION");
    };

    // As the dynamic loader finds it: `libssl`, `libssl.so.3`, or a path. `Binary::in_process`
    // finds the library that a process has, in whatever container that is.
    let library = Binary::library(library)?;
    let symbol = library.function(function)?;
    println!(
        "{function} is at offset {:#x} of {}.",
        symbol.offset,
        library.path().display()
    );

    let to = UprobeMultiAttach::in_binary(&library, When::Entry, [symbol]);
    let link = to.attach(open_pinned_program(program)?)?;
    println!("Link {} runs the program at each call.", link.id()?);

    println!("Press Enter to detach it.");
    std::io::stdin().read_line(&mut String::new())?;
    // The link is not pinned, and nobody else holds it.
    drop(link);
    println!("It is detached.");
    Ok(())
}
