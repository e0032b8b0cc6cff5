//! The agent that is killed: a version of it, and the process that plays it.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{CounterMap, Hook, Loader, Map, Program};
use bpf_link_typed::{LinkSet, set::Stale};

use crate::harness::Role;
use crate::harness::role::{self, Player, role};
use crate::set::kinds::{Kinds, Places};

pub(crate) const ROLES: &[Role] = &[role!(version)];

/// The last of the programs cannot be attached.
pub(super) const MISFIT: &str = "misfit";
pub(super) const FITTING: &str = "fitting";
/// With a rule about [`STALE`].
pub(super) const REMOVING: &str = "removing";

/// A link that is in no version's set.
pub(super) const STALE: &str = "stale";

/// What the versions of an agent have in common.
pub(super) struct Agent<'a> {
    pub(super) directory: &'a Path,
    pub(super) places: Places<'a>,
    pub(super) kinds: Kinds,
    /// The programs of all versions on one hook count in one counter, so that it shows by how many
    /// an event is seen.
    pub(super) counters: &'a [CounterMap; 5],
}

impl Agent<'_> {
    /// Loads the programs of a version.
    pub(super) fn load(&self) -> Result<[Program; 5]> {
        let beside = match self.kinds {
            Kinds::WithAProbe => Loader::new(Hook::UPROBE_MULTI),
            // One system call out of all, by its number in the record.
            Kinds::OfEachSort | Kinds::OfEachKernel => Loader::new(Hook::RAW_TRACEPOINT)
                .where_context_has(8, libc::SYS_getppid.try_into()?),
        };
        let loaders = self.kinds.loaders(beside)?.into_iter().zip(self.counters);
        let programs: Vec<Program> = loaders
            .map(|(loader, counter)| loader.counting(counter).passing())
            .collect::<Result<_>>()?;
        programs.try_into().map_err(|_| anyhow!("not five"))
    }

    /// The set of a version, with these names, which does this.
    pub(super) fn set<'b>(
        &'b self,
        programs: &'b [Program; 5],
        names: [&str; 5],
        what: &str,
    ) -> Result<LinkSet<'b>> {
        let mut set = LinkSet::in_dir(self.directory).create_dir(0o700);
        // Without a rule about what is stale, what goes is what the set itself replaces.
        if what == REMOVING {
            set = set.remove_stale(Stale::named_with_prefix(STALE));
        }
        self.kinds
            .add(&mut set, names, self.places, programs.each_ref())?;
        Ok(set)
    }

    /// Starts a process of a new version, which is then ready to apply its set.
    pub(super) fn start(&self, names: [&str; 5], what: &str) -> Result<Player> {
        let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
        let mut arguments = vec![
            text(self.directory)?,
            text(self.places.cgroup)?,
            self.places.process.to_string(),
            self.kinds.word(),
            self.places.elements.id()?.to_string(),
            names.join(","),
            what.to_owned(),
        ];
        for counter in self.counters {
            arguments.push(counter.id()?.to_string());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut player = role!(version).start(&arguments)?;
        ensure!(player.hear()? == "ready");
        Ok(player)
    }
}

/// Loads its programs, and applies its set when it is told.
fn version(arguments: &[String]) -> Result<()> {
    let [
        directory,
        cgroup,
        process,
        kinds,
        elements,
        names,
        what,
        counters @ ..,
    ] = arguments
    else {
        anyhow::bail!("{arguments:?}");
    };
    let counters: Vec<CounterMap> = counters
        .iter()
        .map(|id| CounterMap::from_id(id.parse()?))
        .collect::<Result<_>>()?;
    let counters = counters
        .try_into()
        .map_err(|_| anyhow!("not five counters"))?;
    let agent = Agent {
        directory: directory.as_ref(),
        places: Places {
            cgroup: cgroup.as_ref(),
            elements: &Map::from_id(elements.parse()?)?,
            process: process.parse()?,
        },
        kinds: Kinds::from_word(kinds)?,
        counters: &counters,
    };
    let mut programs = agent.load()?;
    if what == MISFIT {
        *programs.last_mut().context("there are some")? = Program::passing(Hook::CGROUP_DEVICE)?;
    }
    let names: Vec<&str> = names.split(',').collect();
    let names = names.try_into().map_err(|_| anyhow!("not five names"))?;
    let set = agent.set(&programs, names, what)?;
    role::say("ready")?;
    role::listen()?;
    let applied = set.apply();
    ensure!(applied.is_err() == (what == MISFIT), "{applied:?}");
    Ok(())
}
