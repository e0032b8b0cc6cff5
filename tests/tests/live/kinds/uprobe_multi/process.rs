//! `uprobe_multi` links that are for one process.

use anyhow::{Result, ensure};
use bpf_link::{Error, UprobeMultiArgs};
use bpf_link_tests::{CounterMap, Program, Sandbox, eventually_holds};

use super::{ENTRY, FILE, create};
use crate::fixture::ensure_refused;
use crate::functions::own::{offset_of, probed};
use crate::harness::role::{self, role};
use crate::harness::{Need, Role, Test, test};
use crate::suites::conformance::field;

pub(crate) const TESTS: &[Test] = &[test!(one_process_and_no_other)
    .needs(Need::UPROBE_MULTI)
    .alone()];

pub(crate) const ROLES: &[Role] = &[role!(caller)];

probed!(called_by_others = 21);

/// Calls a probed function whenever it is told to.
fn caller(_arguments: &[String]) -> Result<()> {
    role::say(&std::process::id().to_string())?;
    while role::listen()?.is_some() {
        called_by_others(1);
        role::say("called")?;
    }
    Ok(())
}

fn one_process_and_no_other(_sandbox: &Sandbox) -> Result<()> {
    let mut player = role!(caller).start(&[])?;
    let other: u32 = player.hear()?.parse()?;
    let offsets = [offset_of(called_by_others)?];
    let counter = CounterMap::new()?;
    let program = Program::counting(ENTRY.0, &counter)?;
    let mut calls = |pid| {
        let link = create(&program, UprobeMultiArgs::path(FILE, &offsets).pid(pid))?;
        let before = counter.read()?;
        called_by_others(1);
        let here = counter.read()? - before;
        player.tell("call")?;
        ensure!(player.hear()? == "called");
        let there = counter.read()? - before - here;
        anyhow::Ok((link, here, there))
    };
    let (_, here, there) = calls(0)?;
    ensure!((here, there) == (1, 1), "of all: {here}, {there}");
    let (_, here, there) = calls(std::process::id())?;
    ensure!((here, there) == (1, 0), "of this one: {here}, {there}");
    let (link, here, there) = calls(other)?;
    ensure!((here, there) == (0, 1), "of the other: {here}, {there}");
    let pid = |pid: u32| field!(uprobe_multi.pid, pid);
    pid(other).check(&link.info()?)?;
    player.kill()?;
    eventually_holds("it is nobody's", || Ok(pid(0).check(&link.info()?).is_ok()))?;
    // Nobody has this number.
    ensure_refused!(
        create(&program, UprobeMultiArgs::path(FILE, &offsets).pid(1 << 23)),
        Error::Command(_),
        Some(libc::ESRCH)
    );
    Ok(())
}
