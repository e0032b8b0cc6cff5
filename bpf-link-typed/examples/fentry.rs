//! Runs a program at each call of a kernel function, through a trampoline. This is the cheapest
//! way, and the program gets the function's arguments.
//!
//! Such a program is loaded for one function, so there is no need to say where to attach it.
//!
//! As root, on Linux 5.10 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- fentry/tcp_sendmsg /sys/fs/bpf/sends
//! cargo run -p bpf-link-typed --example fentry -- /sys/fs/bpf/sends
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::{Btf, ProgramInfo, TracingAttach, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program] = arguments.as_slice() else {
        bail!("usage: fentry PROGRAM");
    };
    let program = open_pinned_program(program)?;

    // For fentry, fexit, fmod_ret and lsm programs alike.
    let link = TracingAttach::as_loaded().attach(&program)?;

    // The function, as a number in the types of the kernel or of a module. Since Linux 6.0.
    let info = ProgramInfo::of(&program)?;
    let types = info.attach_btf_obj_id.map(Btf::from_id).transpose()?;
    let function = types.as_ref().zip(info.attach_btf_id);
    let function = function.and_then(|(types, number)| types.function_name(number));
    println!(
        "Link {} runs the program at each call of {}.",
        link.id()?,
        function.unwrap_or("its function, which this kernel does not tell")
    );

    println!("Press Enter to detach it.");
    std::io::stdin().read_line(&mut String::new())?;
    // The link is not pinned, and nobody else holds it.
    drop(link);
    println!("It is detached.");
    Ok(())
}
