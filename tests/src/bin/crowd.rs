//! Runs a command on a machine that is crowded: another process holds thousands of links, another
//! one attaches and detaches in a loop, and every processor is busy. The tests have to pass there
//! as anywhere else.
//!
//! `cargo run -p bpf-link-tests --bin crowd -- cargo test --workspace`, as root.
//!
//! The neighbours are this program once more, in sandboxes of their own. They end when their
//! standard input does, and so with this process, however that ends.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_sys::{BPF_TRACE_ITER, BPF_XDP};
use bpf_link_tests::sys::{LinkTarget, link_create};
use bpf_link_tests::{Hook, Program, Sandbox, iterator, links};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many links are held.
const LINKS: usize = 5000;
/// How many of them run the same program.
const LINKS_OF_A_PROGRAM: usize = 10;
/// The first device of every network namespace.
const LOOPBACK: u32 = 1;
/// The variable that makes this program a neighbour.
const VARIABLE: &str = "BPF_LINK_NEIGHBOUR";

fn main() -> ExitCode {
    let done = match std::env::var(VARIABLE) {
        Ok(role) => neighbour(&role).map(|()| ExitCode::SUCCESS),
        Err(_) => crowd(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("crowd: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the command among neighbours.
fn crowd() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: crowd COMMAND...")?;
    let processors = std::thread::available_parallelism()?.get();
    let mut neighbours = vec![Neighbour::start("holds")?, Neighbour::start("churns")?];
    for _ in 0..processors {
        neighbours.push(Neighbour::start("spins")?);
    }
    let there = links::ids()?.len();
    ensure!(there >= LINKS, "there are {there} links only");
    eprintln!(
        "crowd: {there} links, one process that attaches and detaches, {processors} that spin"
    );

    let start = Instant::now();
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))?;
    let seconds = start.elapsed().as_secs();
    for neighbour in neighbours {
        neighbour.end()?;
    }
    eprintln!("crowd: the command ended after {seconds} s: {status}");
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A process beside the command.
struct Neighbour {
    role: &'static str,
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Neighbour {
    /// Starts it and waits until it does what it is for.
    fn start(role: &'static str) -> Result<Self> {
        let mut process = Command::new("/proc/self/exe")
            .env(VARIABLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting the neighbour that {role}"))?;
        let output = process.stdout.take().context("it has an output")?;
        let mut neighbour = Self {
            role,
            process,
            output: BufReader::new(output),
        };
        ensure!(neighbour.hear()? == "ready", "the neighbour that {role}");
        Ok(neighbour)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Ends it. It must have been there all the time.
    fn end(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let last = self.hear()?;
        let status = self.process.wait()?;
        ensure!(
            status.success(),
            "the neighbour that {}: {status}",
            self.role
        );
        eprintln!("crowd: the neighbour that {}: {last}", self.role);
        Ok(())
    }
}

fn neighbour(role: &str) -> Result<()> {
    match role {
        "holds" => hold(),
        "churns" => churn(),
        "spins" => {
            until_the_end(|| {
                std::hint::black_box((0..1_000_000_u64).sum::<u64>());
                Ok(())
            })?;
            Ok(())
        }
        _ => bail!("no neighbour {role}"),
    }
}

/// Tells the process that has started this one, which may have ended.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Works again and again until the standard input ends, and says how often and for how long.
fn until_the_end(mut work: impl FnMut() -> Result<()>) -> Result<()> {
    say("ready")?;
    let start = Instant::now();
    let input = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut rounds = 0_u64;
    while !input.is_finished() {
        work()?;
        rounds += 1;
    }
    say(&format!(
        "{rounds} rounds in {} s",
        start.elapsed().as_secs()
    ))
}

/// Has links, and does nothing.
fn hold() -> Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    let wanted = u64::try_from(2 * LINKS)?;
    let limit = Rlimit {
        current: Some(wanted),
        maximum: most.map(|most| most.max(wanted)),
    };
    setrlimit(Resource::Nofile, limit).context("raising the limit of descriptors")?;
    let _sandbox = Sandbox::enter()?;
    let mut held: Vec<OwnedFd> = Vec::new();
    while held.len() < LINKS {
        let program = iterator("bpf_map", *b"element\n")?;
        for _ in 0..LINKS_OF_A_PROGRAM {
            held.push(iterate(&program)?);
        }
    }
    say("ready")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    say(&format!("{} links", held.len()))
}

fn iterate(program: &Program) -> Result<OwnedFd> {
    let link = link_create(program.as_fd(), LinkTarget::None, BPF_TRACE_ITER, 0);
    link.context("attaching an iterator")
}

/// Attaches and detaches: a network program, which waits for the network's locks, and iterators,
/// which do not.
fn churn() -> Result<()> {
    let _sandbox = Sandbox::enter()?;
    let (network, iterator) = (
        Program::passing(Hook::XDP)?,
        iterator("bpf_map", *b"element\n")?,
    );
    until_the_end(|| {
        let links = (0..10).map(|_| iterate(&iterator));
        drop(links.collect::<Result<Vec<_>>>()?);
        match link_create(network.as_fd(), LinkTarget::Ifindex(LOOPBACK), BPF_XDP, 0) {
            Ok(link) => drop(link),
            // Somebody who lists links still has the last one open.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => bail!(error),
        }
        Ok(())
    })
}
