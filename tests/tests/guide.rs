//! The commands of the guides, as they are written there, on the kernel that runs here.
//!
//! They run in mount and network namespaces of their own.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::{Cgroup, Sandbox};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

fn main() -> ExitCode {
    // The sandbox is that of the thread, and so of all that it starts.
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let trials = vec![
        trial("failed_attach", failed_attach),
        trial("takeover", takeover),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A guide that is followed in a sandbox.
fn trial(name: &str, follow: fn() -> Result<()>) -> Trial {
    let cgroup = name.to_owned();
    Trial::ignorable_test(name, move || match Sandbox::enter() {
        Ok(sandbox) => match RootOfCgroups::new(&sandbox, &cgroup).and_then(|_root| follow()) {
            Ok(()) => Ok(Completion::Completed),
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        },
        Err(error) => match error
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind)
        {
            Some(std::io::ErrorKind::PermissionDenied) => Ok(Completion::ignored_with(format!(
                "not privileged: {error:#}"
            ))),
            _ => Err(Failed::from(format!("{error:#}"))),
        },
    })
}

/// A cgroup that passes for the root of the machine's, so that nobody else's packets are counted.
struct RootOfCgroups {
    _cgroup: Cgroup,
}

impl RootOfCgroups {
    fn new(sandbox: &Sandbox, name: &str) -> Result<Self> {
        let cgroup = sandbox.new_cgroup(name)?;
        rustix::mount::mount_bind(cgroup.path(), CGROUPS)?;
        Ok(Self { _cgroup: cgroup })
    }
}

impl Drop for RootOfCgroups {
    fn drop(&mut self) {
        // The next guide has one of its own.
        let _ = rustix::mount::unmount(CGROUPS, rustix::mount::UnmountFlags::DETACH);
    }
}

/// Where the guides expect the root of the machine's cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The agent's links, in the order of the report.
const LINKS: [&str; 3] = ["lo_xdp", "lo_ingress", "egress"];

const TAKEOVER: &str = include_str!("../../bpf-link-typed/docs/takeover.md");
const FAILED_ATTACH: &str = include_str!("../../bpf-link-typed/docs/failed-attach.md");

/// What `docs/takeover.md` says, done as it says.
fn takeover() -> Result<()> {
    let commands = commands(TAKEOVER);
    let [mount, plan, start, stop] = commands.as_slice() else {
        bail!("other commands than were expected: {commands:?}");
    };
    ensure!(shell(mount).status()?.success(), "{mount}");
    let planned = output(plan)?;
    ensure!(planned.starts_with("make directory /sys/fs/bpf/agent\n"));
    ensure!(
        planned.matches(": create a link\n").count() == 3,
        "{planned}"
    );

    let mut first = Agent::start(start)?;
    first.says_of_each_link("created")?;
    first.says(|line| line == ALONE)?;
    first.says(|line| line == ALONE)?;

    let mut second = Agent::start(start)?;
    second.says_of_each_link("updated, instead of program ")?;
    second.says(|line| line.starts_with("counted "))?;
    first.says(|line| line.starts_with("lo_xdp: program ") && line.ends_with("; leaving"))?;
    ensure!(first.process.wait()?.success());

    second.end(Signal::TERM)?;
    let mut third = Agent::start(start)?;
    third.says_of_each_link("updated, instead of program ")?;
    third.says(|line| line == ALONE)?;

    third.end(Signal::KILL)?;
    let planned = output(plan)?;
    ensure!(planned.matches(": update link ").count() == 2, "{planned}");
    let mut fourth = Agent::start(start)?;
    fourth.says_of_each_link("updated, instead of program ")?;
    fourth.says(|line| line == ALONE)?;
    fourth.end(Signal::TERM)?;
    ensure_stops(stop)?;
    ensure!(output(stop)? == "nothing to stop\n");
    Ok(())
}

/// What the agent counts while it is the only one that sends.
const ALONE: &str = "counted 10 packets by xdp, 10 by tcx, 10 by cgroup";

/// All three links are removed.
fn ensure_stops(command: &str) -> Result<()> {
    let stopped = output(command)?;
    let removed =
        |line: &str| LINKS.iter().any(|name| line.starts_with(name)) && line.ends_with(", removed");
    ensure!(
        stopped.lines().count() == 3 && stopped.lines().all(removed),
        "{stopped}"
    );
    Ok(())
}

/// What `docs/failed-attach.md` says, done where an agent has the hook.
fn failed_attach() -> Result<()> {
    let (looks, agent) = (commands(FAILED_ATTACH), commands(TAKEOVER));
    let ([list, show], [mount, _, start, stop]) = (looks.as_slice(), agent.as_slice()) else {
        bail!("other commands than were expected: {looks:?}, {agent:?}");
    };
    ensure!(shell(mount).status()?.success(), "{mount}");
    let mut running = Agent::start(start)?;
    running.says_of_each_link("created")?;

    let listed = output(list)?;
    let lines: Vec<&str> = listed.split_inclusive('\n').collect();
    // What is below a link, such as its pins, is indented.
    let mut blocks = lines.chunk_by(|_, next| next.starts_with("        "));
    let ours = blocks.find(|block| block.iter().any(|line| line.contains("/agent/lo_xdp\n")));
    let ours = ours.map(<[&str]>::concat);
    let ours = ours.with_context(|| format!("not there: {listed}"))?;
    ensure!(ours.contains(" xdp ") && ours.contains("lo (1)"), "{ours}");
    ensure!(ours.contains("held by agent "), "{ours}");
    let shown = output(show)?;
    ensure!(shown.contains("lo(1)"), "{shown}");

    running.end(Signal::TERM)?;
    ensure_stops(stop)
}

/// What a command writes, which has to end well.
fn output(command: &str) -> Result<String> {
    let done = shell(command).stderr(Stdio::null()).output()?;
    ensure!(done.status.success(), "{command}: {}", done.status);
    Ok(String::from_utf8(done.stdout)?)
}

/// What is to be typed, by this guide.
fn commands(guide: &str) -> Vec<&str> {
    let blocks = guide.split("```console\n").skip(1);
    let commands = blocks.filter_map(|block| block.split("```").next());
    commands.flat_map(str::lines).collect()
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    // The shell makes way for the command, so that signals reach that.
    let command = format!("echo $$ >{CGROUPS}/cgroup.procs && exec {command}");
    shell.args(["-c", &command]);
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    shell
}

/// A running agent, which is killed when this is dropped.
struct Agent {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    fn start(command: &str) -> Result<Self> {
        let mut process = shell(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        Ok(Self {
            process,
            lines: BufReader::new(output).lines(),
        })
    }

    /// Waits for a line of which this holds; only lines about counted packets may come before it.
    fn says(&mut self, is_it: impl Fn(&str) -> bool) -> Result<()> {
        for line in &mut self.lines {
            let line = line?;
            if is_it(&line) {
                return Ok(());
            }
            ensure!(line.starts_with("counted "), "{line}");
        }
        bail!("the agent ended before: {:?}", self.process.wait()?)
    }

    /// Waits for the report of a start, in which this was done about each link.
    fn says_of_each_link(&mut self, done: &str) -> Result<()> {
        for name in LINKS {
            let begin = format!("{name}: link ");
            let is_it = |line: &str| line.starts_with(&begin) && line.contains(done);
            self.says(is_it)?;
        }
        Ok(())
    }

    /// Ends it by a signal. Not by that of a terminal, which is ignored by what a shell started in
    /// the background.
    fn end(mut self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.process), signal)?;
        ensure!(!self.process.wait()?.success());
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
