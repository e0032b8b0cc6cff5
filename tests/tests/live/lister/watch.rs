//! `bpf-links watch`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Program, Sandbox, eventually_holds};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::fixture::Counted;
use crate::harness::{Test, test};
use crate::lister::{LISTER, at, command, many, show};

pub(crate) const TESTS: &[Test] = &[
    test!(the_watch).needs(LISTER).alone(),
    test!(as_json).needs(LISTER).alone(),
    test!(only_some_links).needs(LISTER).alone(),
    test!(other_pins_of_a_link).needs(LISTER).alone(),
    test!(its_reader_goes).needs(LISTER).alone(),
];

/// A `watch` that is running.
pub(crate) struct Watching {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watching {
    pub(crate) fn start(more: &[&str]) -> Result<Self> {
        Self::start_with(more, Stdio::inherit())
    }

    /// The same, with standard error going there.
    pub(crate) fn start_with(more: &[&str], errors: Stdio) -> Result<Self> {
        let arguments = [&["watch", "--interval", "0.02"], more].concat();
        let mut child = command(&arguments)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, lines })
    }

    /// Waits for the line that starts with this.
    pub(crate) fn hear(&mut self, start: &str) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(
                self.lines.read_line(&mut line)? > 0,
                "it ended without {start}"
            );
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }

    /// Whether there is more output, or it has ended, since the last line that was read.
    fn has_news(&self) -> Result<bool> {
        let mut output = [PollFd::new(self.lines.get_ref(), PollFlags::IN)];
        let ready = poll(&mut output, Some(&Timespec::default()))?;
        Ok(ready > 0 || !self.lines.buffer().is_empty())
    }

    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn interrupt(mut self) -> Result<ExitStatus> {
        rustix::process::kill_process(self.process(), Signal::INT)?;
        Ok(self.child.wait()?)
    }
}

fn the_watch(_sandbox: &Sandbox) -> Result<()> {
    let there = Counted::new()?;
    let there_id = there.link.id()?;
    let mut watching = Watching::start(&[])?;
    watching.hear(&format!("  {there_id} xdp: program "))?;

    let links = many(1)?;
    let [link] = &links[..] else {
        anyhow::bail!("not one link");
    };
    let id = link.id()?;
    let came = watching.hear(&format!("+ {id} "))?;
    ensure!(
        came.contains("iter: program") && came.contains("bpf_map"),
        "{came}"
    );
    drop(links);
    watching.hear(&format!("- {id} iter"))?;

    let new = Program::passing(Hook::XDP)?;
    there.link.update(&new)?;
    let changed = watching.hear(&format!("~ {there_id} xdp: "))?;
    let expected = format!("program {} ", there.program.id()?);
    ensure!(changed.contains(&expected), "{changed}");
    ensure!(changed.contains(&format!("-> {} ", new.id()?)), "{changed}");
    there.link.detach()?;
    let changed = watching.hear(&format!("~ {there_id} xdp: "))?;
    ensure!(changed.contains("lo (1) -> (detached)"), "{changed}");
    let status = watching.interrupt()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Reads a `watch --json` up to this event for this link.
fn hear_json(watching: &mut Watching, event: &str, id: u32) -> Result<Value> {
    loop {
        let line = watching.hear("{")?;
        let said: Value = serde_json::from_str(&line)?;
        if *at(&said, "event") == event && *at(at(&said, "link"), "id") == id {
            return Ok(said);
        }
    }
}

fn as_json(_sandbox: &Sandbox) -> Result<()> {
    let there = Counted::new()?;
    let id = there.link.id()?;
    let mut watching = Watching::start(&["--json", "--timestamps"])?;
    let said = hear_json(&mut watching, "there", id.get())?;
    ensure!(*at(&said, "link") == show(id, &[])?, "{said}");
    let time = at(&said, "time").as_str().context("no time")?;
    ensure!(
        time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'),
        "{time}"
    );

    let new = Program::passing(Hook::XDP)?;
    there.link.update(&new)?;
    let said = hear_json(&mut watching, "changed", id.get())?;
    let program = |key| at(at(&said, key), "prog_id").clone();
    ensure!(program("before") == there.program.id()?, "{said}");
    ensure!(program("link") == new.id()?, "{said}");
    let links = many(1)?;
    let iter = links.first().context("no link")?.id()?.get();
    hear_json(&mut watching, "came", iter)?;
    drop(links);
    let said = hear_json(&mut watching, "went", iter)?;
    ensure!(*at(at(&said, "link"), "type") == "iter", "{said}");
    ensure!(watching.interrupt()?.success());
    Ok(())
}

/// Puts a new program on the link; returns the program's id.
fn update(link: &RawLink) -> Result<u32> {
    let new = Program::passing(Hook::XDP)?;
    link.update(&new)?;
    new.id()
}

/// Updates the link and reads up to the report of that. Nothing but updates of the link may be
/// reported.
fn hear_update(watching: &mut Watching, link: &RawLink) -> Result<()> {
    let expected = format!("-> {} ", update(link)?);
    let start = format!("~ {} xdp: program ", link.id()?);
    loop {
        let report = watching.hear("")?;
        let (time, said) = report.split_once(' ').context("no time")?;
        ensure!(time.ends_with('Z'), "{report}");
        ensure!(said.starts_with(&start), "{report}");
        if said.contains(&expected) {
            return Ok(());
        }
    }
}

fn only_some_links(sandbox: &Sandbox) -> Result<()> {
    let mut there = Counted::new()?;
    let id = there.link.id()?.get();
    let changes = ["--changes-only", "--timestamps", "--kind", "xdp"];
    let mut changes = Watching::start(&changes)?;
    // An update is reported once the watch has had its first look.
    eventually_holds("an update is reported", || {
        update(&there.link)?;
        changes.has_news()
    })?;

    let mut iter = many(1)?.pop().context("no link")?;
    iter.pin(sandbox.bpffs().join("iter"))?;
    let mut pinned = Watching::start(&["--pinned", "--json"])?;
    hear_json(&mut pinned, "there", iter.id()?.get())?;
    there.link.pin(sandbox.bpffs().join("pin"))?;
    hear_json(&mut pinned, "came", id)?;
    there.link.unpin()?;
    hear_json(&mut pinned, "went", id)?;
    iter.unpin()?;

    // Neither the existing link nor the iterator is reported: the second update is reported after
    // all that was seen at the first.
    hear_update(&mut changes, &there.link)?;
    drop(iter);
    hear_update(&mut changes, &there.link)?;
    for watching in [changes, pinned] {
        ensure!(watching.interrupt()?.success());
    }
    Ok(())
}

fn other_pins_of_a_link(sandbox: &Sandbox) -> Result<()> {
    let mut link = many(1)?.pop().context("no link")?;
    let id = link.id()?;
    let (first, second) = (
        sandbox.bpffs().join("first"),
        sandbox.bpffs().join("second"),
    );
    link.pin(&first)?;
    let mut watching = Watching::start(&["--pinned"])?;
    watching.hear(&format!("  {id} iter: program "))?;
    let mut again = link.try_clone()?;
    again.pin(&second)?;
    let said = watching.hear(&format!("~ {id} iter: "))?;
    ensure!(said.trim_end() == format!("~ {id} iter: pinned at {}", second.display()));
    link.unpin()?;
    let said = watching.hear(&format!("~ {id} iter: "))?;
    ensure!(said.trim_end() == format!("~ {id} iter: unpinned from {}", first.display()));
    again.unpin()?;
    watching.hear(&format!("- {id} iter: "))?;
    ensure!(watching.interrupt()?.success());
    Ok(())
}

/// It ends when its reader closes the pipe, even if nothing changes.
fn its_reader_goes(_sandbox: &Sandbox) -> Result<()> {
    let watching = Watching::start(&[])?;
    let Watching { mut child, lines } = watching;
    drop(lines);
    ensure!(child.wait()?.success());
    Ok(())
}
