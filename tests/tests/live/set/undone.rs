//! Sets that are refused half-way: what was done is undone.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Loader, Sandbox};
use bpf_link_typed::{
    Error, LinkSet,
    set::{LinkState, SetFailure},
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::beside::while_sending;
use crate::fixture::traffic::send_packet;
use crate::harness::{Test, test};
use crate::set::five::{Five, Version};
use crate::set::kinds::{self, Kinds, Way, of_each_sort};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    of_each_sort(test!(by_each_link)),
    test!(by_each_link_on_old_kernels),
    of_each_sort(test!(nothing_was_there)),
    test!(nothing_was_there_on_old_kernels),
    of_each_sort(test!(with_other_names)),
    test!(with_other_names_on_old_kernels),
];

/// How often a set is refused while events are sent: whether one comes at the moment in which
/// programs are exchanged is a matter of luck.
const ROUNDS: u32 = 20;

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

/// The last refusal of the link of this name, while events are sent. None of them is seen by a new
/// program that would be put on an old link: what does not fit is found out before.
fn refusal_under_load(five: &Five<'_>, second: &Version, name: &str) -> Result<SetFailure> {
    let elements = five.kinds.iterator(&five.directory, five.names())?;
    let event = || {
        elements.as_ref().map_or(Ok(()), kinds::read)?;
        send_packet()
    };
    let refuse = || {
        (0..ROUNDS).try_fold(None, |_, _| {
            let failure = refusal(&five.plain(second)?, name)?;
            ensure_as_before(&failure)?;
            Ok(Some(failure))
        })
    };
    let (_, refused) = five.cgroup.inside(|| while_sending(event, refuse))?;
    let links = five.kinds.names().into_iter().zip(five.kinds.ways());
    for ((name, way), new) in links.zip(&second.programs) {
        if matches!(way, Way::InPlace | Way::InPlaceAlone) {
            ensure!(new.count()? == 0, "the new {name} has run");
        }
    }
    refused.context("there were rounds")
}

/// Each of the five links is as it was before the refusal, which has an error number.
fn ensure_as_before(failure: &SetFailure) -> Result<()> {
    for (_, state) in &failure.links {
        ensure!(matches!(state, LinkState::AsBefore), "{failure:?}");
    }
    ensure!(
        failure.links.len() == 5 && failure.source.errno().is_some(),
        "{failure:?}"
    );
    Ok(())
}

fn by_each_link(sandbox: &Sandbox) -> Result<()> {
    refused_by_each_link(sandbox, Kinds::OfEachSort)
}

fn by_each_link_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    refused_by_each_link(sandbox, Kinds::OfEachKernel)
}

/// Each link in turn has a program that cannot be attached there: the others go on as before.
fn refused_by_each_link(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let five = Five::of(sandbox, kinds)?;
    let first = kinds.load()?;
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, kinds.names())?;
    for (index, name) in kinds.names().iter().enumerate() {
        let mut second = kinds.load()?;
        second.misfit(index)?;
        let failure = refusal_under_load(&five, &second, name).context(*name)?;
        let after = five.ensure_runs(&first, kinds.names()).context(*name)?;
        ensure!(after == before, "{failure}");
    }
    five.plain(&first)?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn nothing_was_there(sandbox: &Sandbox) -> Result<()> {
    refused_where_nothing_was(sandbox, Kinds::OfEachSort)
}

fn nothing_was_there_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    refused_where_nothing_was(sandbox, Kinds::OfEachKernel)
}

fn refused_where_nothing_was(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let five = Five::of(sandbox, kinds)?;
    for (index, name) in kinds.names().iter().enumerate() {
        let mut version = kinds.load()?;
        version.misfit(index)?;
        refusal(&five.plain(&version)?, name)?;
        ensure_nothing_left(sandbox).context(*name)?;
        ensure!(!five.directory.exists(), "{name}");
    }
    ensure!(our_links()?.is_empty());
    Ok(())
}

fn with_other_names(sandbox: &Sandbox) -> Result<()> {
    refused_with_other_names(sandbox, Kinds::OfEachSort)
}

fn with_other_names_on_old_kernels(sandbox: &Sandbox) -> Result<()> {
    refused_with_other_names(sandbox, Kinds::OfEachKernel)
}

/// Each pin would be another link's.
fn refused_with_other_names(sandbox: &Sandbox, kinds: Kinds) -> Result<()> {
    let five = Five::of(sandbox, kinds)?;
    let first = kinds.load()?;
    five.plain(&first)?.apply()?;
    let before = five.ensure_runs(&first, kinds.names())?;
    let mut names = kinds.names();
    names.rotate_left(1);
    for names in [names, ["a", "b", "c", "d", "e"]] {
        let mut second = kinds.load()?;
        second.misfit(4)?;
        let failure = refusal(&five.set(&second, names)?, names[4])?;
        let after = five.ensure_runs(&first, kinds.names())?;
        ensure!(after[..4] == before[..4], "{failure}");
    }
    five.plain(&first)?.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}
