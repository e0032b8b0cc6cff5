//! Sets over links that cannot be detached, while somebody else holds them.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{CounterMap, Program, Replaceable, Sandbox};
use bpf_link_typed::{
    BtfTypeId, Error, Link, LinkSet, ProgramId, TracingAttach,
    ensure::{Outcome, Why},
    set::LinkState,
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::fixture::chain::check;
use crate::harness::{Need, Test, test};
use crate::set::links_of;

pub(crate) const TESTS: &[Test] = &[test!(an_extension_that_is_held).needs(Need::TRACING)];

/// A function takes one extension. The old one is waited for longer than any other hook, and if it
/// stays, it is pinned as it was.
fn an_extension_that_is_held(sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let directory = sandbox.bpffs().join("agent");
    let set = |program| -> Result<LinkSet<'_>> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        let to = TracingAttach::extension_of(&target, function);
        set.add::<_, &Program>("extension", to, program)?;
        Ok(set)
    };
    let (old, new) = (target.extension().passing()?, target.extension().passing()?);
    let applied = set(&old)?.apply()?;
    let [id] = links_of(applied.report())?;
    let refused = set(&new)?.apply();
    let Err(Error::SetNotApplied(failure)) = refused else {
        return Err(anyhow!("{refused:?}"));
    };
    ensure!(
        matches!(&failure.source, Error::OldLinkHeld { link, .. } if *link == id),
        "{failure:?}"
    );
    ensure!(
        matches!(&*failure.links, [(_, LinkState::AsBefore)]),
        "{failure:?}"
    );
    let words = [format!("link {id}"), "extension".to_owned()];
    check(
        &Error::SetNotApplied(failure),
        &words.each_ref().map(String::as_str),
    )?;
    let pin = directory.join("extension");
    ensure!(ensure_one_link_and_pin(sandbox, &pin)? == id);
    ensure!(
        Link::from_pinned(&pin)?
            .info()?
            .program_id()
            .map(ProgramId::get)
            == Some(old.id()?)
    );

    let holder = thread::spawn(move || {
        thread::sleep(Duration::from_secs(3));
        drop(applied);
    });
    let applied = set(&new)?.apply()?;
    let [link] = &*applied.report().links else {
        return Err(anyhow!("{applied:?}"));
    };
    ensure!(
        matches!(
            link.outcome,
            Outcome::Replaced {
                why: Why::NotUpdatable,
                gap: true,
                ..
            }
        ),
        "{applied:?}"
    );
    holder.join().map_err(|_| anyhow!("it has panicked"))?;
    applied.stop()?;
    ensure_nothing_left(sandbox)
}
