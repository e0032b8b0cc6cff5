//! `struct_ops` links over restarts and upgrades.

use anyhow::{Context as _, Result};
use bpf_link_tests::{CongestionControl, CounterMap, Map, Sandbox, names};
use bpf_link_typed::StructOpsAttach;
use rustix::net::sockopt::set_tcp_congestion;

use crate::ensure::planned::run_as_planned;
use crate::ensure::suite::{Again, Subject, Way, check};
use crate::fixture::traffic::{connect, exchange};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::STRUCT_OPS)];

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
