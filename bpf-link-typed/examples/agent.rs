//! An agent that is upgraded while packets flow: start it in two terminals, and watch the second
//! take over from the first.
//!
//! `cargo run -p bpf-link-typed --example agent`, as root; with `stop` behind it to detach what it
//! has left attached.
//!
//! It counts the packets that `lo` receives, and lets them pass. Its link is pinned at
//! `/sys/fs/bpf/agent/lo`, or at the path in `AGENT_PIN`: interrupt the agent, and the program goes
//! on counting; start it again, and it takes the link over.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bpf_link::ProgramInfo;
use bpf_link_typed::ensure::{Ours, Standing, Stopped};
use bpf_link_typed::{Attach as _, Link, XdpAttach, XdpMode};
// Loading programs is not these crates' business: an agent would load its own with aya or
// libbpf-rs. This one comes from the workspace's tests, which put it together by hand.
use bpf_link_tests::{CounterMap, Hook, Program};

/// How often the agent says what it has counted.
const PERIOD: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let pin = std::env::var_os("AGENT_PIN")
        .map_or_else(|| PathBuf::from("/sys/fs/bpf/agent/lo"), PathBuf::from);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [] => run(&pin),
        [stop] if stop == "stop" => stop_counting(&pin),
        _ => {
            eprintln!("usage: agent [stop]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(pin: &Path) -> Result<()> {
    // Each start loads a program of its own, as a new version would.
    let counter = CounterMap::new()?;
    let program = Program::counting(Hook::XDP, &counter)?;

    // Whatever an earlier run has left: end with our program attached here and pinned there.
    let ensured = XdpAttach::to("lo")
        .mode(XdpMode::Skb)
        .ensure_pinned(pin)
        .create_parents(0o700)
        .run(&program)?;
    println!("link {}: {}", ensured.link.id()?, ensured.outcome);

    // From here on the link stays without us, however we end.
    let traffic = Traffic::new()?;
    let ours = program.id()?;
    loop {
        let before = counter.read()?;
        traffic.send()?;
        std::thread::sleep(PERIOD);
        let info = ensured.link.info()?;
        if info.is_defunct() == Some(true) {
            println!("link {} was detached", info.id);
            return Ok(());
        }
        match ensured.standing()? {
            Standing::Ours => {
                let packets = counter.read()? - before;
                println!("program {ours} has counted {packets} packets");
            }
            // The next version runs: there is nothing left for us to do, nor to take off.
            Standing::Overtaken { .. } | Standing::PinnedAnew { .. } => {
                println!("another has taken over from program {ours}");
                return Ok(());
            }
            standing => {
                println!("{standing}");
                return Ok(());
            }
        }
    }
}

/// Takes our program off `lo`, whichever of our processes started it, and removes the pin. What is
/// not ours stays.
fn stop_counting(pin: &Path) -> Result<()> {
    // The names of these programs are different in each process, so we know ours by its
    // instructions. An agent whose programs have names would say `Ours::by_name(c"agent_ingress")`,
    // which is good for other versions of it as well.
    let program = Program::counting(Hook::XDP, &CounterMap::new()?)?;
    let ours = Ours::by_tag(ProgramInfo::of(&program)?.tag.0);
    match Link::stop(pin, &ours)? {
        Stopped::LetGo => println!("detached and unpinned"),
        Stopped::Left(Standing::NotPinned) => println!("nothing to stop"),
        Stopped::Left(standing) => println!("not ours: {standing}"),
        stopped => println!("{stopped}"),
    }
    Ok(())
}

/// Datagrams that we send to ourselves over `lo`, to have something to count.
struct Traffic {
    socket: UdpSocket,
}

impl Traffic {
    fn new() -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(socket.local_addr()?)?;
        Ok(Self { socket })
    }

    fn send(&self) -> std::io::Result<()> {
        for _ in 0..10 {
            self.socket.send(b"datagram")?;
            self.socket.recv(&mut [0; 8])?;
        }
        Ok(())
    }
}
