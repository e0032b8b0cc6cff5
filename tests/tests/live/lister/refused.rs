//! `bpf-links` and links that it cannot open: it names them, goes on, and exits with 1. Here it has
//! run out of descriptors.

use std::fs::File;
use std::io::{Read as _, Seek as _};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Sandbox, eventually_holds, pins};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::fixture::Counted;
use crate::harness::{Test, test};
use crate::lister::watch::Watching;
use crate::lister::{LISTER, at, command, many, start_with_a_short_pipe};

pub(crate) const TESTS: &[Test] = &[
    test!(the_list_goes_on).needs(LISTER).alone(),
    test!(the_watch_goes_on).needs(LISTER).alone(),
    test!(pins_that_cannot_be_looked_for).needs(LISTER).alone(),
];

/// Limits how many descriptors this process may have; returns the old limit.
fn allow_descriptors(process: Pid, limit: Option<u64>) -> Result<Option<u64>> {
    let new = Rlimit {
        current: limit,
        maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
    };
    Ok(prlimit(Some(process), Resource::Nofile, new)?.current)
}

/// Standard input, output and error.
const STANDARD: u64 = 3;

fn the_list_goes_on(sandbox: &Sandbox) -> Result<()> {
    // More than fits in a pipe, so that it blocks midway.
    let links = many(500)?;
    let last = links.last().context("no links")?.id()?;
    let path = sandbox.directory().join("errors");
    let mut command = command(&["list", "--json-lines"])?;
    command.stderr(File::create_new(&path)?);
    let (mut child, mut output) = start_with_a_short_pipe(command)?;
    let mut listed = vec![0];
    output.read_exact(&mut listed)?;
    allow_descriptors(Pid::from_child(&child), Some(STANDARD))?;
    output.read_to_end(&mut listed)?;
    ensure!(child.wait()?.code() == Some(1));
    let listed = String::from_utf8(listed)?;
    let mut errors = String::new();
    File::open(&path)?.read_to_string(&mut errors)?;
    for line in listed.lines() {
        let line: Value = serde_json::from_str(line)?;
        ensure!(*at(&line, "id") != last.get(), "it had descriptors");
    }
    ensure!(listed.lines().count() > 1, "{listed}");
    let is_named = |line: &str| {
        line.starts_with("bpf-links: ")
            && line.contains(&format!("link {last}"))
            && line.contains("(os error 24)")
    };
    ensure!(errors.lines().any(is_named), "{:?}", errors.lines().last());
    drop(links);
    Ok(())
}

fn the_watch_goes_on(sandbox: &Sandbox) -> Result<()> {
    let there = Counted::new()?;
    let id = there.link.id()?;
    let path = sandbox.directory().join("errors");
    let errors = File::create_new(&path)?;
    let mut watching = Watching::start_with(&["--json"], errors.try_clone()?.into())?;
    watching.hear("{")?;
    let before = allow_descriptors(watching.process(), Some(STANDARD))?;
    said(&errors, &format!("link {id}"))?;
    allow_descriptors(watching.process(), before)?;
    // It did not count as gone.
    there.link.detach()?;
    let is_changed = loop {
        let said: Value = serde_json::from_str(&watching.hear("{")?)?;
        if *at(at(&said, "link"), "id") == id.get() && *at(&said, "event") != "there" {
            break *at(&said, "event") == "changed";
        }
    };
    ensure!(is_changed, "it has gone");
    ensure!(watching.interrupt()?.code() == Some(1));
    // Reported once, however often it looked.
    let said = said(&errors, &format!("link {id}"))?;
    ensure!(said.matches(&format!("link {id}")).count() == 1, "{said}");
    Ok(())
}

/// If the pins cannot be read, no link is reported as unpinned.
fn pins_that_cannot_be_looked_for(sandbox: &Sandbox) -> Result<()> {
    let mut there = Counted::new()?;
    let id = there.link.id()?;
    let pin = sandbox.bpffs().join("pin");
    there.link.pin(&pin)?;
    let path = sandbox.directory().join("errors");
    let errors = File::create_new(&path)?;
    let arguments = ["--json", "--pinned"];
    let mut watching = Watching::start_with(&arguments, errors.try_clone()?.into())?;
    watching.hear("{")?;
    // Enough descriptors for links and for directories, but not for a pin that is new.
    let before = allow_descriptors(watching.process(), Some(STANDARD + 1))?;
    let new = sandbox.bpffs().join("new");
    pins::pin(&there.link, &new)?;
    said(&errors, "some pins are not shown")?;
    std::fs::rename(&new, &pin)?;
    looks_again(watching.process())?;
    allow_descriptors(watching.process(), before)?;
    there.link.detach()?;
    let mut next = || -> Result<Value> {
        let next: Value = serde_json::from_str(&watching.hear("{")?)?;
        ensure!(*at(at(&next, "link"), "id") == id.get(), "{next}");
        Ok(at(&next, "event").clone())
    };
    ensure!(next()? == "changed");
    there.link.unpin()?;
    ensure!(next()? == "went");
    ensure!(watching.interrupt()?.code() == Some(1));
    Ok(())
}

/// Waits until a watch has looked some more times: it sleeps after each look.
fn looks_again(watch: Pid) -> Result<()> {
    const SLEEPS: u64 = 50;
    let status = format!("/proc/{}/status", watch.as_raw_nonzero());
    let slept = || -> Result<u64> {
        let status = std::fs::read_to_string(&status)?;
        let mut lines = status.lines();
        let slept = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Ok(slept.context("not in the status")?.trim().parse()?)
    };
    let before = slept()?;
    eventually_holds("it looks again", || Ok(slept()? > before + SLEEPS))
}

/// Waits until standard error has this; returns all of standard error.
fn said(mut errors: &File, of: &str) -> Result<String> {
    let mut said = String::new();
    eventually_holds(of, || {
        said.clear();
        errors.rewind()?;
        errors.read_to_string(&mut said)?;
        Ok(said.contains(of))
    })?;
    Ok(said)
}
