//! tracing links over restarts and upgrades.

use anyhow::{Context as _, Result};
use bpf_link_tests::{CounterMap, Hook, Loader, Replaceable, Sandbox, names};
use bpf_link_typed::{BtfTypeId, TracingAttach, TracingHook};

use crate::ensure::places::{is_linux, kept_since};
use crate::ensure::suite::{Again, Subject, Way, check, check_once};
use crate::functions::test::{Caller, FUNCTION};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[
    test!(extension).needs(Need::TRACING),
    test!(fentry).needs(Need::TRACING),
];

fn fentry(sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::FENTRY).function(FUNCTION)?;
    let caller = Caller::new()?;
    let here = TracingAttach::to(TracingHook::Fentry);
    // Before, a tracing program could be attached only once.
    let check = if is_linux(6, 1)? { check } else { check_once };
    check(&Subject {
        // The cookie is known since 6.17, and there is none before 5.19.
        again: if is_linux(5, 19)? {
            kept_since(6, 17, true)?
        } else {
            Again::Kept
        },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(loader.in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| caller.call(),
            Way::Overlap,
        )?
    })
}

fn extension(sandbox: &Sandbox) -> Result<()> {
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let here = TracingAttach::extension_of(&target, function);
    check(&Subject {
        name: names::object_name("extension"),
        again: if is_linux(5, 19)? {
            kept_since(6, 17, true)?
        } else {
            kept_since(5, 13, true)?
        },
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(target.extension()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| target.run(),
            Way::OldFirst,
        )?
    })
}
