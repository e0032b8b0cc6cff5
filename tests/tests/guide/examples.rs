//! The commands that an example begins with, and those of the page about all examples.
//!
//! What the examples do is tested in `live/examples/`. Here they are started by the very commands
//! that readers copy.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::iterator;
use bpf_link_tests::mounted::{mount_bpffs, mount_tracefs};
use bpf_link_typed::{IterAttach, LinkKind};
use rustix::process::Signal;

use crate::typed::{Typed, commands};

/// The folders whose files are all examples.
const FOLDERS: [&str; 2] = ["bpf-link/examples", "bpf-link-typed/examples"];

/// A file with commands for an example.
pub(crate) struct Written {
    file: &'static str,
    text: &'static str,
    /// The kind of its links. If the machine cannot make such links, the commands may fail, but not
    /// because of their arguments.
    kind: Option<LinkKind>,
    ends: Ends,
}

/// How the example ends.
#[derive(Clone, Copy)]
enum Ends {
    Alone,
    /// When the reader presses Enter, which it asks for.
    AtEnter,
    /// When the reader interrupts it. This is in one of its first lines.
    Interrupted(&'static str),
    /// When the last of the commands stops it. This is in one of its first lines.
    Stopped(&'static str),
}

macro_rules! written {
    ($file:literal, $kind:expr, $ends:expr) => {
        Written {
            file: $file,
            text: include_str!(concat!("../../../", $file)),
            kind: $kind,
            ends: $ends,
        }
    };
}

#[rustfmt::skip]
pub(crate) static WRITTEN: [Written; 16] = [
    written!("bpf-link/examples/lifecycle.rs", Some(LinkKind::Xdp), Ends::Alone),
    written!("bpf-link-typed/examples/agent.rs", Some(LinkKind::Tcx), Ends::Stopped("counted ")),
    written!("bpf-link-typed/examples/fentry.rs", Some(LinkKind::Tracing), Ends::AtEnter),
    written!("bpf-link-typed/examples/iterator.rs", Some(LinkKind::Iter), Ends::Alone),
    written!("bpf-link-typed/examples/kernel_functions.rs", Some(LinkKind::KprobeMulti), Ends::AtEnter),
    written!("bpf-link-typed/examples/library_function.rs", Some(LinkKind::UprobeMulti), Ends::AtEnter),
    written!("bpf-link-typed/examples/netfilter.rs", Some(LinkKind::Netfilter), Ends::AtEnter),
    written!("bpf-link-typed/examples/profile.rs", Some(LinkKind::PerfEvent), Ends::AtEnter),
    written!("bpf-link-typed/examples/sockmap.rs", Some(LinkKind::Sockmap), Ends::AtEnter),
    written!("bpf-link-typed/examples/struct_ops.rs", Some(LinkKind::StructOps), Ends::AtEnter),
    written!("bpf-link-typed/examples/take_over.rs", Some(LinkKind::Tcx), Ends::Alone),
    written!("bpf-link-typed/examples/tcx_order.rs", Some(LinkKind::Tcx), Ends::AtEnter),
    // It attaches to what the machine has.
    written!("bpf-link-typed/examples/tracer.rs", None, Ends::Alone),
    written!("bpf-link-typed/examples/watch.rs", None, Ends::Interrupted("\"came\"")),
    written!("bpf-link-typed/docs/examples.md", Some(LinkKind::Tcx), Ends::AtEnter),
    written!("tests/src/bin/pin-program.rs", Some(LinkKind::Tcx), Ends::Alone),
];

impl Written {
    /// The file's, without its extension.
    pub(crate) fn name(&self) -> &'static str {
        let name = Path::new(self.file).file_stem();
        name.and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn commands(&self) -> Result<Vec<String>> {
        let lines = self.text.lines().map(|line| {
            let comment = line.strip_prefix("//!");
            comment.map_or(line, |text| text.strip_prefix(' ').unwrap_or(text))
        });
        let commands = commands(&lines.collect::<Vec<_>>().join("\n"));
        let own = if FOLDERS.iter().any(|folder| self.file.starts_with(folder)) {
            format!("--example {}", self.name())
        } else {
            "cargo run -p bpf-link-tests --bin pin-program ".to_owned()
        };
        ensure!(
            commands.iter().any(|command| command.contains(&own)),
            "{} does not say how to run it",
            self.file
        );
        Ok(commands)
    }

    /// Whether a command that has failed may do so on this machine.
    fn may_fail(&self, code: Option<i32>, errors: &str) -> bool {
        let is_lacking = self.kind.is_some_and(|kind| !kind.probe().is_yes());
        // If cargo or the shell does not find what to run, the number is another one.
        is_lacking && code == Some(1) && !errors.contains("usage: ")
    }
}

impl Ends {
    /// Whether the example waits for the reader once it has written this.
    fn waits_after(self, line: &str) -> bool {
        match self {
            Self::Alone => false,
            Self::AtEnter => line.starts_with("Press Enter "),
            Self::Interrupted(said) | Self::Stopped(said) => line.contains(said),
        }
    }
}

/// No example is left out.
pub(crate) fn all_are_here() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let workspace = workspace.context("a workspace")?;
    let mut examples = BTreeSet::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(workspace.join(folder)).context(folder)? {
            let name = entry?.file_name();
            examples.insert(format!("{folder}/{}", name.to_string_lossy()));
        }
    }
    let written = WRITTEN.iter().map(|written| written.file);
    let written: BTreeSet<&str> = written.collect();
    let missing: Vec<_> = examples
        .iter()
        .filter(|example| !written.contains(example.as_str()))
        .collect();
    ensure!(
        missing.is_empty(),
        "nobody types the commands of {missing:?}"
    );
    Ok(())
}

/// Types the commands, one after the other. While an example waits for the reader, the commands
/// after it are typed in another terminal.
pub(crate) fn follow(written: &Written) -> Result<()> {
    mount_bpffs()?;
    mount_tracefs()?;
    // A link that is on no hook, so that there is one to watch.
    let _link = IterAttach::over_all().attach(&iterator("task", *b"element\n")?)?;

    let mut waiting = None;
    let mut is_refused = false;
    for command in written.commands()? {
        let mut typed = Typed::start(&command)?;
        if waiting.is_none() && waits(&mut typed, written.ends)? {
            waiting = Some(typed);
            continue;
        }
        let status = typed.wait()?;
        if !status.success() {
            let errors = typed.errors()?;
            ensure!(
                written.may_fail(status.code(), &errors),
                "{command}: {status}: {errors}"
            );
            is_refused = true;
        }
    }
    match (waiting, written.ends) {
        (Some(mut example), Ends::AtEnter) => {
            example.enter()?;
            example.end_well()
        }
        (Some(mut example), Ends::Stopped(_)) => example.end_well(),
        (Some(mut example), _) => example.end(Signal::TERM),
        (None, Ends::Alone) => Ok(()),
        (None, _) if is_refused => Ok(()),
        (None, _) => bail!("nothing in {} waits for the reader", written.file),
    }
}

/// Whether a command waits for the reader, and has not ended.
fn waits(typed: &mut Typed, ends: Ends) -> Result<bool> {
    while let Some(line) = typed.line()? {
        if ends.waits_after(&line) {
            return Ok(true);
        }
    }
    Ok(false)
}
