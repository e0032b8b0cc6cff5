//! What happens to an agent.

use anyhow::{Context as _, Result, ensure};
use bpf_link_clients::hooks::{HOOKS, Way};
use bpf_link_tests::eventually_holds;

use crate::agent::Agent;
use crate::counted::{Counted, Hook, at_most_once, handed_over, never, once};
use crate::scene::Scene;
use crate::traffic::{Number, Traffic};

/// How many packets show that all is well.
const ENOUGH: Number = 200;

/// The versions of the agent.
const OLD: usize = 0;
const NEW: usize = 1;

/// What an agent says of a link that it has taken over.
fn taken_over((_, way): Hook) -> &'static str {
    match way {
        Way::InPlace => "updated, replacing program",
        Way::Overlap => "replaced without a gap, because such links cannot be updated",
    }
}

/// The hooks that go with the device.
fn is_of_device((hook, _): Hook) -> bool {
    ["xdp", "ingress", "egress"].contains(&hook)
}

/// Plays the life of the agent that is this program.
pub(crate) fn play(name: &str, program: &str) -> Result<()> {
    let scene = Scene::enter(name)?;
    let mut life = Life {
        traffic: scene.start_traffic(),
        scene,
        program,
    };
    let (agent, counted) = life.first_start().context("the first start")?;
    let agent = life.restart(agent, &counted).context("a restart")?;
    let agent = life.kill(agent, &counted).context("a kill")?;
    let agent = life.upgrade(agent, &counted).context("an upgrade")?;
    let agent = life.lose_pins(agent, &counted).context("lost pins")?;
    let agent = life.lose_all(agent, &counted).context("lost links")?;
    let agent = life.lose_device(agent, &counted).context("a lost device")?;
    life.stop(agent, &counted).context("the end")
}

struct Life<'a> {
    traffic: Traffic,
    scene: Scene,
    program: &'a str,
}

impl Life<'_> {
    fn start(&self, version: usize) -> Result<Agent> {
        Agent::start(self.program, &self.scene.settings(version.try_into()?)?)
    }

    /// From now on each packet is counted once on each hook, by this version.
    fn ensure_counts(&mut self, counted: &Counted, version: usize) -> Result<()> {
        let packets = self.traffic.wait_for(ENOUGH)?;
        counted.ensure(packets, once(version))
    }

    /// From some moment on no packet is counted. A link that cannot be detached goes once the
    /// kernel has dropped its pin.
    fn ensure_counts_no_more(&mut self, counted: &Counted) -> Result<()> {
        eventually_holds("no packet is counted", || {
            let packets = self.traffic.wait_for(1)?;
            Ok(counted.ensure(packets, never).is_ok())
        })?;
        let packets = self.traffic.wait_for(ENOUGH)?;
        counted.ensure(packets, never)
    }

    /// Nothing is there before.
    fn first_start(&mut self) -> Result<(Agent, Counted)> {
        let before = self.traffic.wait_for(ENOUGH)?;
        let agent = self.start(OLD)?;
        agent.ensure_reported(|_| "created")?;
        let meanwhile = before.end..self.traffic.next();
        let counted = Counted::open(&self.scene.settings(0)?.maps())?;
        counted.ensure(before, never)?;
        counted.ensure(meanwhile, at_most_once)?;
        self.ensure_counts(&counted, OLD)?;
        Ok((agent, counted))
    }

    /// An agent of the same version takes over.
    fn restart(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        let first = self.traffic.next();
        let agent = self.hand_over(old, OLD)?;
        counted.ensure(first..self.traffic.next(), handed_over([OLD, OLD]))?;
        self.ensure_counts(counted, OLD)?;
        Ok(agent)
    }

    /// One of the next version does.
    fn upgrade(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        let first = self.traffic.next();
        let agent = self.hand_over(old, NEW)?;
        let packets = first..self.traffic.next();
        counted.ensure(packets.clone(), handed_over([OLD, NEW]))?;
        counted.ensure_upgraded(packets)?;
        self.ensure_counts(counted, NEW)?;
        Ok(agent)
    }

    /// The next agent takes over while the old one runs. That is stopped then, and takes nothing
    /// off.
    fn hand_over(&mut self, old: Agent, version: usize) -> Result<Agent> {
        let agent = self.start(version)?;
        agent.ensure_reported(taken_over)?;
        self.traffic.wait_for(ENOUGH)?;
        old.stop("left as it is: program")?;
        Ok(agent)
    }

    /// The programs count on without an agent, until the next one takes over.
    fn kill(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        let first = self.traffic.next();
        old.kill()?;
        self.traffic.wait_for(ENOUGH)?;
        counted.ensure(first..self.traffic.next(), once(OLD))?;

        let first = self.traffic.next();
        let agent = self.start(OLD)?;
        agent.ensure_reported(taken_over)?;
        counted.ensure(first..self.traffic.next(), handed_over([OLD, OLD]))?;
        self.ensure_counts(counted, OLD)?;
        Ok(agent)
    }

    /// Somebody removes the pins. The agent holds its links, and the next one takes them over from
    /// it: otherwise each packet would be counted twice.
    fn lose_pins(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        let first = self.traffic.next();
        self.remove_pins()?;
        let without = self.traffic.wait_for(ENOUGH)?;
        counted.ensure(first..without.end, once(NEW))?;

        let agent = self.hand_over(old, NEW)?;
        agent.ensure_reported(|_| ", which was not pinned")?;
        counted.ensure(without.end..self.traffic.next(), handed_over([NEW, NEW]))?;
        self.ensure_counts(counted, NEW)?;
        Ok(agent)
    }

    /// The agent is killed, too, so that nothing holds the links. The next one makes others.
    fn lose_all(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        old.kill()?;
        self.remove_pins()?;
        self.ensure_counts_no_more(counted)?;

        let first = self.traffic.next();
        let agent = self.start(NEW)?;
        agent.ensure_reported(|_| "created")?;
        counted.ensure(first..self.traffic.next(), at_most_once)?;
        self.ensure_counts(counted, NEW)?;
        Ok(agent)
    }

    fn remove_pins(&self) -> Result<()> {
        let links = self.scene.settings(0)?.links();
        for (hook, _) in HOOKS {
            std::fs::remove_file(links.join(hook)).context(hook)?;
        }
        ensure!(std::fs::read_dir(links)?.next().is_none(), "other pins");
        Ok(())
    }

    /// The device is removed, and another of the same name made. The programs are not on that one
    /// before the next agent attaches them.
    fn lose_device(&mut self, old: Agent, counted: &Counted) -> Result<Agent> {
        self.traffic.pause();
        self.scene.make_device_again()?;
        self.traffic.resume();
        let without = self.traffic.wait_for(ENOUGH)?;
        let next = without.end;
        counted.ensure(without, |hook, times| {
            if is_of_device(hook) {
                never(hook, times)
            } else {
                once(NEW)(hook, times)
            }
        })?;

        let agent = self.start(NEW)?;
        agent.ensure_reported(|hook| {
            if is_of_device(hook) {
                "replaced without a gap, because its hook had gone"
            } else {
                taken_over(hook)
            }
        })?;
        let ready = self.traffic.next();
        old.stop("left as it is: program")?;
        counted.ensure(next..ready, |hook, times| {
            if is_of_device(hook) {
                at_most_once(hook, times)
            } else {
                handed_over([NEW, NEW])(hook, times)
            }
        })?;
        self.ensure_counts(counted, NEW)?;
        Ok(agent)
    }

    /// No other agent has taken over: the programs are taken off.
    fn stop(&mut self, agent: Agent, counted: &Counted) -> Result<()> {
        let first = self.traffic.next();
        agent.stop("let go of")?;
        counted.ensure(first..self.traffic.next(), at_most_once)?;
        self.ensure_counts_no_more(counted)?;
        let links = self.scene.settings(0)?.links();
        ensure!(std::fs::read_dir(links)?.next().is_none(), "a pin is left");
        self.traffic.end()
    }
}
