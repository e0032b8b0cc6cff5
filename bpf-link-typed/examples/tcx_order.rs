//! Puts two programs in order on a device: they run one right after the other, whatever else is
//! attached there.
//!
//! As root, on Linux 6.6 or later:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- tcx/ingress /sys/fs/bpf/first
//! cargo run -p bpf-link-tests --bin pin-program -- tcx/ingress /sys/fs/bpf/second
//! cargo run -p bpf-link-typed --example tcx_order -- lo /sys/fs/bpf/first /sys/fs/bpf/second
//! ```

use anyhow::{Result, bail};
use bpf_link_typed::{Anchor, Position, ProgramInfo, TcxAttach, TcxHook, open_pinned_program};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, first, second] = arguments.as_slice() else {
        bail!("usage: tcx_order DEVICE FIRST_PROGRAM SECOND_PROGRAM");
    };

    // The second is attached first. The order in which they run comes from their positions.
    let to = TcxAttach::to(device.as_str(), TcxHook::Ingress);
    let second = to.clone().attach(open_pinned_program(second)?)?;
    let before = to.position(Position::Before(Anchor::link(&second)));
    let first = before.attach(open_pinned_program(first)?)?;

    let hook = TcxHook::Ingress.query(device.as_str())?;
    println!("What {device} receives runs through these programs, in this order:");
    for program in &hook.programs {
        let name = ProgramInfo::from_id(program.id)?.name;
        match program.link {
            Some(link) => println!(
                "- program {}, {name:?}, attached by link {link}",
                program.id
            ),
            None => println!(
                "- program {}, {name:?}, attached without a link",
                program.id
            ),
        }
    }

    println!("Press Enter to detach the two.");
    std::io::stdin().read_line(&mut String::new())?;
    // The links are not pinned, and nobody else holds them.
    drop((first, second));
    println!("Both are detached.");
    Ok(())
}
