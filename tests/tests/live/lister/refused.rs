//! `bpf-links` and links that it cannot open: it goes on past them, names them, and says so in its
//! exit status. It has run out of descriptors for that.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Sandbox, eventually_holds};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::fixture::Counted;
use crate::harness::{Test, test};
use crate::lister::watch::Watching;
use crate::lister::{LISTER, at, command, many};

pub(crate) const TESTS: &[Test] = &[
    test!(the_list_goes_on).needs(LISTER).alone(),
    test!(the_watch_goes_on).needs(LISTER).alone(),
];

/// Has the kernel refuse this process more descriptors; returns how many it might have before.
fn allow_descriptors(process: Pid, limit: Option<u64>) -> Result<Option<u64>> {
    let new = Rlimit {
        current: limit,
        maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
    };
    Ok(prlimit(Some(process), Resource::Nofile, new)?.current)
}

/// Those that every process has.
const STANDARD: u64 = 3;

fn the_list_goes_on(sandbox: &Sandbox) -> Result<()> {
    // More than a pipe holds, so that it waits in the midst of them.
    let links = many(5_000)?;
    let last = links.last().context("no links")?.id()?;
    let path = sandbox.directory().join("errors");
    let errors = File::create_new(&path)?;
    let mut child = command(&["list", "--json-lines"])?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()?;
    let mut output = child.stdout.take().context("no output")?;
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
    let mut errors = File::create_new(&path)?;
    let mut watching = Watching::start_with(&["--json"], errors.try_clone()?.into())?;
    watching.hear("{")?;
    let before = allow_descriptors(watching.process(), Some(STANDARD))?;
    let mut said = String::new();
    eventually_holds("the link is named", || {
        said.clear();
        errors.rewind()?;
        errors.read_to_string(&mut said)?;
        Ok(said.contains(&format!("link {id}")))
    })?;
    allow_descriptors(watching.process(), before)?;
    // It has not gone meanwhile.
    there.link.detach()?;
    let is_changed = loop {
        let said: Value = serde_json::from_str(&watching.hear("{")?)?;
        if *at(at(&said, "link"), "id") == id.get() && *at(&said, "event") != "there" {
            break *at(&said, "event") == "changed";
        }
    };
    ensure!(is_changed, "it has gone");
    ensure!(watching.interrupt()?.code() == Some(1));
    // Once, however often it has looked.
    said.clear();
    errors.rewind()?;
    errors.read_to_string(&mut said)?;
    ensure!(said.matches(&format!("link {id} ")).count() <= 1, "{said}");
    Ok(())
}
