//! The commands of the guides, as they are written there, on the kernel that runs here.
//!
//! They run in mount and network namespaces of their own.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::Sandbox;
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
    Trial::ignorable_test(name, move || match Sandbox::enter() {
        Ok(_sandbox) => match follow() {
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

const TAKEOVER: &str = include_str!("../../bpf-link-typed/docs/takeover.md");
const FAILED_ATTACH: &str = include_str!("../../bpf-link-typed/docs/failed-attach.md");

/// What `docs/takeover.md` says, done as it says.
fn takeover() -> Result<()> {
    let commands = commands(TAKEOVER);
    let [mount, start, stop] = commands.as_slice() else {
        bail!("other commands than were expected: {commands:?}");
    };
    ensure!(shell(mount).status()?.success(), "{mount}");

    let mut first = Agent::start(start)?;
    first.says(|line| line.ends_with(": created"))?;
    first.says(|line| line.ends_with(" has counted 10 packets"))?;

    let mut second = Agent::start(start)?;
    second.says(|line| line.contains(": updated, instead of program "))?;
    second.says(|line| line.contains(" has counted "))?;
    first.says(|line| line.starts_with("another has taken over from program "))?;
    ensure!(first.process.wait()?.success());

    second.interrupt()?;
    let mut third = Agent::start(start)?;
    third.says(|line| line.contains(": updated, instead of program "))?;
    third.says(|line| line.ends_with(" has counted 10 packets"))?;
    third.interrupt()?;
    ensure!(output(stop)?.ends_with("detached and unpinned\n"));
    Ok(())
}

/// What `docs/failed-attach.md` says, done where an agent has the hook.
fn failed_attach() -> Result<()> {
    let (looks, agent) = (commands(FAILED_ATTACH), commands(TAKEOVER));
    let ([list, show], [mount, start, stop]) = (looks.as_slice(), agent.as_slice()) else {
        bail!("other commands than were expected: {looks:?}, {agent:?}");
    };
    ensure!(shell(mount).status()?.success(), "{mount}");
    let mut running = Agent::start(start)?;
    running.says(|line| line.ends_with(": created"))?;

    let listed = output(list)?;
    let ours = listed.lines().find(|line| line.contains("/agent/lo"));
    let ours = ours.with_context(|| format!("not there: {listed}"))?;
    ensure!(ours.contains("xdp") && ours.contains("lo (1)"), "{ours}");
    ensure!(ours.contains("agent "), "not held by the agent: {ours}");
    let shown = output(show)?;
    ensure!(shown.contains("lo(1)"), "{shown}");

    running.interrupt()?;
    ensure!(output(stop)?.ends_with("detached and unpinned\n"));
    Ok(())
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
    shell.args(["-c", &format!("exec {command}")]);
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    shell
}

/// A running agent, which goes when this does.
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
            ensure!(line.contains(" has counted "), "{line}");
        }
        bail!("the agent ended before: {:?}", self.process.wait()?)
    }

    /// Interrupts it, as from a terminal.
    fn interrupt(mut self) -> Result<()> {
        let process = Pid::from_child(&self.process);
        kill_process(process, Signal::INT)?;
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
