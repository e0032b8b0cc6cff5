//! `tracing_multi` links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox};
use bpf_link_typed::{TracingMultiAttach, attach::When};

use crate::ensure::places::{ANOTHER_HOOK, is_linux, kept_since};
use crate::ensure::suite::{Call, Subject, Way, check};
use crate::functions::test::{Caller, FUNCTIONS, function_id};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::TRACING_MULTI)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let caller = Caller::new()?;
    let [other, one, another] = FUNCTIONS;
    let ids = [function_id(another)?, function_id(one)?];
    let others = [function_id(other)?];
    let here = TracingMultiAttach::to(When::Entry, ids).cookies(&[2, 1]);
    let elsewhere = TracingMultiAttach::to(When::Entry, others);
    let elsewhere: Call<'_> = &|how, path, program| how.run(elsewhere.clone(), path, program);
    check(&Subject {
        elsewhere: is_linux(7, 3)?.then_some((elsewhere, ANOTHER_HOOK)),
        again: kept_since(7, 3, true)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::FENTRY_MULTI).in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| caller.call(),
            Way::Overlap,
        )?
    })
}
