//! What the guides say, done as they say.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::agent::{Agent, LINKS};
use crate::typed::{commands, output};

const TAKEOVER: &str = include_str!("../../../bpf-link-typed/docs/takeover.md");
const FAILED_ATTACH: &str = include_str!("../../../bpf-link-typed/docs/failed-attach.md");

/// What `docs/takeover.md` says, done as it says.
pub(crate) fn takeover() -> Result<()> {
    let commands = commands(TAKEOVER);
    let [mount, plan, start, stop] = commands.as_slice() else {
        bail!("other commands than were expected: {commands:?}");
    };
    output(mount)?;
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
    second.says_of_each_link("updated, replacing program ")?;
    second.says(|line| line.starts_with("counted "))?;
    first.says(|line| line.starts_with("lo_xdp: program ") && line.ends_with("; leaving"))?;
    first.leaves()?;

    second.end(Signal::TERM)?;
    let mut third = Agent::start(start)?;
    third.says_of_each_link("updated, replacing program ")?;
    third.says(|line| line == ALONE)?;

    third.end(Signal::KILL)?;
    let planned = output(plan)?;
    ensure!(planned.matches(": update link ").count() == 2, "{planned}");
    let mut fourth = Agent::start(start)?;
    fourth.says_of_each_link("updated, replacing program ")?;
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
pub(crate) fn failed_attach() -> Result<()> {
    let (looks, agent) = (commands(FAILED_ATTACH), commands(TAKEOVER));
    let ([list, show], [mount, _, start, stop]) = (looks.as_slice(), agent.as_slice()) else {
        bail!("other commands than were expected: {looks:?}, {agent:?}");
    };
    output(mount)?;
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
