//! Every sort of `struct_ops` link, attached through its type with every option that it has.

use std::os::fd::AsFd as _;

use anyhow::Result;
use bpf_link_tests::{CongestionControl, CounterMap, Sandbox, names, sys};
use bpf_link_typed::StructOpsAttach;
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_congestion;
use serde_json::json;

use crate::fixture::traffic::connect;
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::SubKind;

pub(crate) const TESTS: &[Test] = &[test!(callbacks).needs(Need::STRUCT_OPS)];

fn callbacks(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting_users(&name, &counter)?;
        anyhow::Ok(Counting::map(control.into(), counter))
    };
    let programs = [load()?, load()?];
    SubKind {
        sandbox,
        programs,
        attach: &|map| Ok(StructOpsAttach::of(map).attach()?.into()),
        info: &|map| Ok(json!({ "map_id": sys::map_info(map.as_fd())?.id })),
        event: &|_| {
            let [here, _there] = connect()?;
            match set_tcp_congestion(&here, &name) {
                // Nothing has this name once the link has gone.
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        },
    }
    .check()
}
