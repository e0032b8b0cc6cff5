//! What the ensure tests of the kinds share: other places, and what kernels of some age do.

use anyhow::Result;
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{AttachProgram, Link, ensure::Why};

use crate::ensure::suite::{Again, Elsewhere, Subject, Way, check};
use crate::harness::Need;
use crate::suites::conformance::Counting;

/// Takes a program for `hook` through the suite at one place, and to another that differs in
/// nothing else.
pub(crate) fn check_places<A>(
    sandbox: &Sandbox,
    hook: Hook,
    [here, elsewhere]: [A; 2],
    event: &dyn Fn(&RawLink) -> Result<()>,
    way: Way,
) -> Result<()>
where
    A: AttachProgram<Link: Into<Link>> + Clone,
{
    let another_hook = Elsewhere {
        why: Why::OtherHook,
        gap: false,
    };
    check(&Subject {
        elsewhere: Some((
            &|how, path, program| how.run(elsewhere.clone(), path, program),
            another_hook,
        )),
        ..Subject::of_programs(
            sandbox,
            || Counting::program(hook),
            &|how, path, program| how.run(here.clone(), path, program),
            event,
            way,
        )?
    })
}

pub(crate) const ANOTHER_HOOK: Elsewhere = Elsewhere {
    why: Why::OtherHook,
    gap: false,
};

pub(crate) const OTHER_OPTIONS: Elsewhere = Elsewhere {
    why: Why::OtherOptions,
    gap: false,
};

/// Whether the kernel is at least this one.
pub(crate) fn is_linux(major: u32, minor: u32) -> Result<bool> {
    Ok(Need::Linux(major, minor).missing()?.is_none())
}

/// What is done for the program that is there already, if this kernel tells all options since that
/// Linux.
pub(crate) fn kept_since(major: u32, minor: u32, gap: bool) -> Result<Again> {
    Ok(if is_linux(major, minor)? {
        Again::Kept
    } else {
        Again::Replaced { gap }
    })
}
