//! An agent with three links that is upgraded while packets flow.
//!
//! As root, on Linux 6.6 or later:
//!
//! ```console
//! cargo run -p bpf-link-typed --example agent
//! ```
//!
//! Start it once more in a second terminal, and watch the second agent take over from the first.
//! `plan` says what another start would do now, and `stop` detaches the programs:
//!
//! ```console
//! cargo run -p bpf-link-typed --example agent plan
//! cargo run -p bpf-link-typed --example agent stop
//! ```
//!
//! Its programs count packets and let them pass: two count what `lo` receives, and one counts what
//! the processes of a cgroup send. The links are pinned in `/sys/fs/bpf/agent`. If you interrupt or
//! kill the agent, the programs go on counting. Start it again, and it takes the links over.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bpf_link_typed::ensure::{Ours, Standing};
use bpf_link_typed::set::{LinkSet, Stale};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, ProgramInfo, TcxAttach, TcxHook, XdpAttach, XdpMode,
};
// Loading programs is not these crates' business: an agent would load its own with aya or
// libbpf-rs. These come from the workspace's tests, which put them together by hand.
use bpf_link_tests::{CounterMap, Hook, Program};

/// The agent's own directory.
const PINS: &str = "/sys/fs/bpf/agent";

/// How often the agent says what it has counted.
const PERIOD: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(),
        ["plan"] => plan(),
        ["stop"] => stop(),
        _ => {
            eprintln!("usage: agent [plan | stop]");
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

fn run() -> Result<()> {
    let programs = Programs::load()?;

    // Whatever an earlier run has left: end with these three links, or with what was there before.
    let applied = programs.links()?.apply()?;
    print!("{}", applied.report());

    // From here on the links stay without us, however we end.
    let traffic = Traffic::new()?;
    loop {
        let before = programs.counted()?;
        traffic.send()?;
        std::thread::sleep(PERIOD);
        for (name, standing) in applied.standing()? {
            // The next version runs: there is nothing left for us to do, nor to take off.
            if standing != Standing::Ours {
                println!("{name}: {standing}; leaving");
                return Ok(());
            }
        }
        let [xdp, tcx, cgroup] = programs.counted()?;
        println!(
            "counted {} packets by xdp, {} by tcx, {} by cgroup",
            xdp - before[0],
            tcx - before[1],
            cgroup - before[2]
        );
    }
}

/// Says what the next start would do, and changes nothing.
fn plan() -> Result<()> {
    print!("{}", Programs::load()?.links()?.plan()?);
    Ok(())
}

/// Takes our programs off, whichever of our processes started them, and removes the pins. What is
/// not ours stays.
fn stop() -> Result<()> {
    // The names of these programs are different in each process, so we know ours by their
    // instructions. An agent whose programs have names would say `Ours::by_name(c"agent_ingress")`,
    // which is good for other versions of it as well.
    let programs = Programs::load()?.programs;
    let tags = programs.iter().map(ProgramInfo::of);
    let ours = tags.map(|info| Ok(Ours::by_tag(info?.tag.0)));
    let ours: Vec<Ours> = ours.collect::<Result<_>>()?;

    // No links are wanted, and all of ours are stale.
    let applied = LinkSet::in_dir(PINS)
        .remove_stale(Stale::running(ours))
        .apply()?;
    if applied.report().stale.is_empty() {
        println!("nothing to stop");
    }
    print!("{}", applied.report());
    Ok(())
}

/// The programs. Each start loads its own, as a new version would.
struct Programs {
    counters: [CounterMap; 3],
    programs: [Program; 3],
}

impl Programs {
    fn load() -> Result<Self> {
        let counters = [CounterMap::new()?, CounterMap::new()?, CounterMap::new()?];
        let programs = [
            Program::counting(Hook::XDP, &counters[0])?,
            Program::counting(Hook::TCX_INGRESS, &counters[1])?,
            Program::counting(Hook::CGROUP_EGRESS, &counters[2])?,
        ];
        Ok(Self { counters, programs })
    }

    /// The links that this version of the agent has.
    fn links(&self) -> Result<LinkSet<'_>> {
        let [xdp, tcx, cgroup] = &self.programs;
        let mut set = LinkSet::in_dir(PINS)
            .create_dir(0o700)
            // What the previous version had and this one does not.
            .remove_stale(Stale::all());
        set.add("lo_xdp", XdpAttach::to("lo").mode(XdpMode::Skb), xdp)?;
        set.add("lo_ingress", TcxAttach::to("lo", TcxHook::Ingress), tcx)?;
        let everything = std::env::var_os("AGENT_CGROUP").unwrap_or("/sys/fs/cgroup".into());
        let egress = CgroupAttach::to(PathBuf::from(everything), CgroupHook::InetEgress);
        set.add("egress", egress, cgroup)?;
        Ok(set)
    }

    fn counted(&self) -> Result<[u64; 3]> {
        let [xdp, tcx, cgroup] = &self.counters;
        Ok([xdp.read()?, tcx.read()?, cgroup.read()?])
    }
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
