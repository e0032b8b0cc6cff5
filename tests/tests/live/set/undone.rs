//! Sets that are refused half-way: what was done is undone.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Loader, Sandbox};
use bpf_link_typed::{
    Error, LinkSet,
    set::{LinkState, SetFailure},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::harness::{Need, Test, test};
use crate::set::five::{Five, NAMES, Version};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(by_each_link)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER),
    test!(nothing_was_there)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER),
    test!(with_other_names)
        .needs(Need::TCX)
        .also_needs(Need::NETFILTER),
];

impl Version {
    /// Puts a program in the place of one of these that cannot be attached there.
    fn misfit(&mut self, index: usize) -> Result<()> {
        let program = self.programs.get_mut(index).context("there is none")?;
        *program = Counting::loaded(Loader::new(Hook::CGROUP_DEVICE).named("misfit"))?;
        Ok(())
    }
}

/// The refusal of the link of this name.
fn refusal(set: &LinkSet<'_>, name: &str) -> Result<SetFailure> {
    match set.apply() {
        Err(Error::SetNotApplied(failure)) if failure.name == name => Ok(*failure),
        answer => anyhow::bail!("{answer:?}"),
    }
}

/// Each link in turn has a program that cannot be attached there: the others go on as before.
fn by_each_link(sandbox: &Sandbox) -> Result<()> {
    let five = Five::new(sandbox)?;
    let first = Version::load()?;
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, NAMES)?;
    for (index, name) in NAMES.iter().enumerate() {
        let mut second = Version::load()?;
        second.misfit(index)?;
        let failure = refusal(&five.plain(&second)?, name).context(*name)?;
        let after = five.ensure_runs(&first, NAMES).context(*name)?;
        ensure!(after[..4] == before[..4], "{failure}");
        // Gaps come last: the one of netfilter only after all others could be attached.
        let had_gap = *name == "netfilter";
        ensure!(had_gap || after == before, "{failure}");
        for (name, state) in &failure.links {
            let is_back = matches!(state, LinkState::PutBack { link } if *link == after[4]);
            ensure!(
                matches!(state, LinkState::AsBefore) || had_gap && is_back && name == "netfilter",
                "{failure:?}"
            );
        }
        ensure!(
            failure.links.len() == 5 && failure.source.errno().is_some(),
            "{failure:?}"
        );
    }
    five.plain(&first)?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn nothing_was_there(sandbox: &Sandbox) -> Result<()> {
    let five = Five::new(sandbox)?;
    for (index, name) in NAMES.iter().enumerate() {
        let mut version = Version::load()?;
        version.misfit(index)?;
        refusal(&five.plain(&version)?, name)?;
        ensure_nothing_left(sandbox).context(*name)?;
        ensure!(!five.directory.exists(), "{name}");
    }
    ensure!(our_links()?.is_empty());
    Ok(())
}

/// Each pin would be another link's.
fn with_other_names(sandbox: &Sandbox) -> Result<()> {
    let five = Five::new(sandbox)?;
    let first = Version::load()?;
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, NAMES)?;
    let mut names = NAMES;
    names.rotate_left(1);
    for names in [names, ["a", "b", "c", "d", "e"]] {
        let mut second = Version::load()?;
        second.misfit(4)?;
        let failure = refusal(&five.set(&second, names)?, names[4])?;
        let after = five.ensure_runs(&first, NAMES)?;
        ensure!(after[..4] == before[..4], "{failure}");
    }
    five.plain(&first)?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}
