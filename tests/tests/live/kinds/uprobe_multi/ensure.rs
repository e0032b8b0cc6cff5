//! `uprobe_multi` links over restarts and upgrades.

use anyhow::Result;
use bpf_link_tests::{Hook, Loader, Sandbox, own_code};
use bpf_link_typed::{UprobeMultiAttach, attach::When};

use crate::ensure::places::{ANOTHER_HOOK, is_linux, kept_since};
use crate::ensure::suite::{Call, Subject, Way, check};
use crate::functions::own::{first, offset_of, second};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).needs(Need::UPROBE_MULTI).alone()];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let here = [offset_of(first)?];
    let there = [offset_of(second)?];
    let to = |offsets| {
        UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets).pid(std::process::id())
    };
    let elsewhere: Call<'_> = &|how, path, program| how.run(to(&there), path, program);
    check(&Subject {
        elsewhere: is_linux(6, 8)?.then_some((elsewhere, ANOTHER_HOOK)),
        again: kept_since(6, 8, false)?,
        ..Subject::of_programs(
            sandbox,
            || Counting::loaded(Loader::new(Hook::UPROBE_MULTI)),
            &|how, path, program| how.run(to(&here), path, program),
            &|_| {
                first(1);
                Ok(())
            },
            Way::Overlap,
        )?
    })
}
