//! iter links over restarts and upgrades.

use std::io::Read as _;

use anyhow::Result;
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Loader, Map, Sandbox};
use bpf_link_typed::IterAttach;

use crate::ensure::places::ANOTHER_HOOK;
use crate::ensure::suite::{Subject, Way, check};
use crate::harness::{Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(over_restarts)];

fn run_iterator(link: &RawLink) -> Result<()> {
    link.create_iter()?.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let (map, other) = (Map::array(4, 3)?, Map::array(4, 3)?);
    let here = IterAttach::over_map(&map);
    let elsewhere = IterAttach::over_map(&other);
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere.clone(), path, program),
            ANOTHER_HOOK,
        )),
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?),
            &|how, path, program| how.run(here.clone(), path, program),
            &run_iterator,
            Way::InPlace,
        )?
    })
}
