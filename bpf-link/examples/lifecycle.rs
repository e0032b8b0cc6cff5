//! The whole life of a link, on the running kernel: created, inspected, pinned, taken over,
//! updated, detached, unpinned.
//!
//! As root, on Linux 5.10 or later:
//!
//! ```console
//! cargo run -p bpf-link --example lifecycle
//! ```
//!
//! It works in mount and network namespaces of its own, with a bpffs of its own, so that nothing is
//! left behind even if it is killed.

use std::net::UdpSocket;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink, Update, XdpFlags};
// Loading programs is not this crate's business: whatever is `AsFd` will do, from aya or libbpf-rs,
// say. These come from the workspace's tests, which put them together by hand.
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox, eventually};

/// What an XDP program returns to have a packet dropped.
const XDP_DROP: i32 = 1;
/// The loopback device is the first of every network namespace.
const LOOPBACK: u32 = 1;
const DATAGRAMS: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some("find"), Some(id)) => find(&id),
        _ => Sandbox::enter()
            .context("this needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF)")
            .and_then(|sandbox| lifecycle(&sandbox)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lifecycle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn lifecycle(sandbox: &Sandbox) -> Result<()> {
    let seen = CounterMap::new()?;
    let counting = Program::counting(Hook::XDP, &seen)?;
    let dropping = Program::returning(Hook::XDP, XDP_DROP)?;
    println!(
        "programs   {} lets packets pass and counts them, {} drops them",
        counting.id()?,
        dropping.id()?
    );

    // Create.
    let request = LinkCreate::new(&counting, AttachType::Xdp)
        .target_ifindex(LOOPBACK)
        .xdp_flags(XdpFlags::SKB_MODE);
    let mut link = RawLink::create(&request)?;
    let info = link.info()?;
    println!(
        "created    link {} of kind {}, program {}",
        info.id(),
        info.kind(),
        program(&info)
    );
    traffic(&seen)?;

    // Inspect. Any other process finds it, too.
    let other = Command::new(std::env::current_exe()?)
        .args(["find", &info.id().to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !other.status.success() {
        bail!("another process cannot look for the link: {}", other.status);
    }
    println!(
        "inspected  found among the links of this machine: {}; info is {} bytes here",
        String::from_utf8_lossy(&other.stdout).trim_end(),
        info.kernel_len()
    );

    // Pin, and close.
    let path = sandbox.bpffs().join("lifecycle");
    link.pin(&path)?;
    drop(link);
    println!(
        "pinned     at {}, and closed: the program stays",
        path.display()
    );
    traffic(&seen)?;

    // Take over, and move the pin.
    let mut link = RawLink::from_pinned(&path)?;
    let moved = sandbox.bpffs().join("lifecycle_moved");
    link.pin(&moved)?;
    println!(
        "taken over link {} from its pin, which is {} now",
        link.id()?,
        moved.display()
    );

    // Update. A wrong idea of what is there changes nothing.
    match link.update(Update::program(&dropping).expecting(&dropping)) {
        Err(mismatch @ bpf_link::Error::OldProgramMismatch { .. }) => {
            println!("refused    {mismatch}");
        }
        other => {
            other?;
            bail!("an update with the wrong old program went through");
        }
    }
    link.update(Update::program(&dropping).expecting(&counting))?;
    println!("updated    program {}", program(&link.info()?));
    traffic(&seen)?;

    // Detach: the link lives on without its hook.
    link.detach()?;
    match link.update(&counting) {
        Err(gone @ bpf_link::Error::HookGone(_)) => {
            println!("detached   link {} is still there, but: {gone}", link.id()?);
        }
        other => {
            other?;
            bail!("an update of a detached link went through");
        }
    }
    traffic(&seen)?;

    // Unpin, and close the last descriptor.
    link.unpin()?;
    ensure!(!moved.exists(), "it is still pinned");
    let id = link.id()?;
    drop(link);
    // Another process that lists links may have it open for a moment.
    eventually("the link has gone", || match RawLink::from_id(id) {
        Err(vanished @ bpf_link::Error::Vanished(_)) => {
            println!("unpinned   {vanished}");
            Ok(Some(()))
        }
        other => Ok(other.map(|_open| None)?),
    })
}

/// Says whether the link is among those of this machine.
fn find(id: &str) -> Result<()> {
    let id: u32 = id.parse()?;
    let mut found = false;
    for link in bpf_link::links() {
        found |= link?.id()?.get() == id;
    }
    println!("{found}");
    Ok(())
}

fn program(info: &bpf_link::LinkInfo) -> String {
    info.program_id()
        .map_or_else(|| "none".to_owned(), |id| id.to_string())
}

/// Sends datagrams to ourselves, and says what became of them.
fn traffic(seen: &CounterMap) -> Result<()> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(Duration::from_millis(100)))?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let before = seen.read()?;
    for _ in 0..DATAGRAMS {
        sender.send_to(b"datagram", receiver.local_addr()?)?;
    }
    let arrived = (0..DATAGRAMS)
        .take_while(|_| receiver.recv(&mut [0; 8]).is_ok())
        .count();
    println!(
        "           {DATAGRAMS} datagrams sent, {} counted, {arrived} received",
        seen.read()? - before
    );
    Ok(())
}
