//! `struct_ops` links over restarts and upgrades.

use anyhow::{Context as _, Result};
use bpf_link_tests::{CongestionControl, CounterMap, Map, Sandbox, names};
use bpf_link_typed::{Attach as _, Error, LinkSet, StructOpsAttach};
use rustix::net::sockopt::set_tcp_congestion;

use crate::ensure::end::ensure_nothing_left;
use crate::ensure::planned::run_as_planned;
use crate::ensure::suite::{Again, Subject, Way, check};
use crate::fixture::attaching::ensure_error;
use crate::fixture::traffic::{connect, exchange};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(a_name_that_another_link_has).needs(Need::STRUCT_OPS),
    test!(over_restarts).needs(Need::STRUCT_OPS),
];

/// The refusal says which map has the name, for one link and in a set, and nothing stays pinned.
fn a_name_that_another_link_has(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let (theirs, ours) = (
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    );
    let taken = StructOpsAttach::of(&theirs).attach()?;
    let holder = [
        &*format!("map {}", theirs.id()?),
        &*format!("link {}", taken.id()?),
        &*format!("hook struct_ops of map {}", ours.id()?),
    ];
    let by_itself = StructOpsAttach::of(&ours).ensure_pinned(sandbox.bpffs().join("pin"));
    ensure_error!(
        by_itself.run(),
        Error::HookTaken { .. },
        Some(libc::EEXIST),
        &holder
    );
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent")).create_dir(0o700);
    set.add_struct_ops("control", &ours)?;
    let words = [&["link control of the set"][..], &holder].concat();
    ensure_error!(
        set.apply(),
        Error::SetNotApplied(_),
        Some(libc::EEXIST),
        &words
    );
    taken.detach()?;
    ensure_nothing_left(sandbox)
}

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting(&name, &counter)?;
        anyhow::Ok(Counting::map(control.into(), counter))
    };
    check(&Subject {
        sandbox,
        name: names::object_name("ops"),
        first: load()?,
        second: load()?,
        misfit: Counting::map(Map::array(4, 1)?.into(), CounterMap::new()?),
        here: &|how, path, map| {
            let to = how.of(StructOpsAttach::of(map), path);
            run_as_planned(path, || to.plan(), || Ok(to.run()?.into()))
        },
        elsewhere: None,
        event: &|_| {
            let [here, there] = connect()?;
            match set_tcp_congestion(&here, &name) {
                Ok(()) => {}
                Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error).context("choosing the congestion control"),
            }
            exchange(&here, &there)?;
            exchange(&there, &here)
        },
        way: Way::OnlyInPlace,
        again: Again::Kept,
    })
}
