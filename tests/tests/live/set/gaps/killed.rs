//! A set that is refused in a gap, and killed before each of the calls that it and its undoing
//! make: the next run comes to its end, and no link that is updated in place is lost.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Sandbox, in_form};
use bpf_link_typed::{Link, LinkId, XdpMode};

use super::{NAMES, Place, REFUSED, VETH, Version, start};
use crate::ensure::end::ensure_nothing_left;
use crate::fixture::random::Random;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(while_it_is_undone).needs(VETH).minutes(10),
    test!(while_exchanged_names_are_undone)
        .needs(VETH)
        .minutes(10),
];

/// In the short form it is killed before every fifth of its calls, starting at a random one.
const STRIDE: usize = 5;

fn while_it_is_undone(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, NAMES)
}

/// The first device's link and the cgroup's exchange their names.
fn while_exchanged_names_are_undone(sandbox: &Sandbox) -> Result<()> {
    let [one, other, egress] = NAMES;
    check(sandbox, [egress, other, one])
}

fn check(sandbox: &Sandbox, names: [&str; 3]) -> Result<()> {
    let place = Place::of(sandbox)?;
    Place::make_the_second_refuse()?;
    let stride = in_form(STRIDE, 1);
    let start = 1 + Random::new(Random::any_seed()?, 0).below(stride);
    let mut calls = 0;
    for number in (start..).step_by(stride) {
        let ended = kill_before(sandbox, &place, names, number);
        if ended.with_context(|| format!("killed before call {number}"))? {
            break;
        }
        calls = number;
    }
    // It looks at three links, pins, replaces two of them, and undoes all that.
    ensure!(calls > 60, "it makes only some {calls} calls");
    place.delete()?;
    ensure_nothing_left(sandbox)
}

/// Kills an agent before this call; whether it has come to its end.
fn kill_before(sandbox: &Sandbox, place: &Place, names: [&str; 3], number: usize) -> Result<bool> {
    let old = Version::load()?;
    place.set(&old, XdpMode::Skb)?.apply()?;
    let updated = on_the_cgroup(place)?;
    let traced = start(place, names, REFUSED)?.trace("start")?;
    let ended = traced.kill_before(number)?.is_none();
    let again = place.set(&old, XdpMode::Skb)?.apply()?;
    ensure!(again.is_ours()?);
    ensure!(
        place.running()? == old.ids()?.map(Some),
        "{}",
        again.report()
    );
    ensure!(on_the_cgroup(place)? == updated, "{}", again.report());
    ensure!(sandbox.pinned()?.len() == NAMES.len(), "{}", again.report());
    again.stop()?;
    Ok(ended)
}

/// The link that is pinned for the cgroup.
fn on_the_cgroup(place: &Place) -> Result<LinkId> {
    Ok(Link::from_pinned(place.directory.join(NAMES[2]))?.id()?)
}
