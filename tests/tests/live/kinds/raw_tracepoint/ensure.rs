//! `raw_tracepoint` links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox};
use bpf_link_typed::RawTracepointAttach;

use crate::ensure::places::{ANOTHER_HOOK, OTHER_OPTIONS, is_linux, kept_since};
use crate::ensure::suite::{Again, Call, Subject, Way, check};
use crate::harness::{Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(over_restarts), test!(with_types)];

fn make_a_system_call() {
    let _parent = rustix::process::getppid();
}

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let here = RawTracepointAttach::to(c"sys_enter");
    let elsewhere = RawTracepointAttach::to(c"sys_exit");
    let again = if is_linux(6, 10)? {
        kept_since(6, 17, false)?
    } else {
        // There are no cookies at all.
        Again::Kept
    };
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere.clone(), path, program),
            ANOTHER_HOOK,
        )),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::RAW_TRACEPOINT).in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| {
                make_a_system_call();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}

fn with_types(sandbox: &Sandbox) -> Result<()> {
    let here = RawTracepointAttach::to_load_time_target();
    let again = if is_linux(6, 10)? {
        kept_since(6, 17, false)?
    } else {
        Again::Kept
    };
    let loader = Loader::new(Hook::TYPED_RAW_TRACEPOINT).tracepoint("sys_enter")?;
    let elsewhere: Call<'_> = &|how, path, program| how.run(here.clone().cookie(7), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 17)?.then_some((elsewhere, OTHER_OPTIONS)),
        again,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(loader.in_this_process()),
            &|how, path, program| how.run(here.clone(), path, program),
            &|_| {
                make_a_system_call();
                Ok(())
            },
            Way::Overlap,
        )?
    })
}
