//! One kernel's run, from its image to its verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::bpftool::Bpftool;
use super::build::{EXAMPLES_IN_GUEST, LISTER_IN_GUEST, Programs};
use super::fixtures;
use super::image::{self, Image, Source};
use super::initramfs::{self, Contents};
use super::matrix::Kernel;
use super::modules;
use super::platform::Platform;
use super::qemu::Machine;
use super::record::Record;
use super::verdict::{Verdict, judge};
use crate::progress;

/// The variables that say how thorough the tests are, for how long some of them look at what
/// changes, and on which series of kernels the others run.
const FORM: [&str; 3] = [LONG_FORM, "BPF_LINK_CHURN_SECONDS", "BPF_LINK_BEYOND"];
/// The variable that asks for the long form, by being 1.
pub(crate) const LONG_FORM: &str = "BPF_LINK_LONG";

/// A kernel to be run.
pub(crate) struct Job {
    /// Names its directory, and the run until the kernel has said its version itself.
    pub(crate) name: String,
    pub(crate) subject: Subject,
}

/// Which kernel it is.
pub(crate) enum Subject {
    Matrix(&'static Kernel),
    Given(Image),
}

/// What all runs have in common.
pub(crate) struct Setting<'a> {
    /// The directory in which each run has its own.
    pub(crate) dir: PathBuf,
    pub(crate) platform: &'static Platform,
    pub(crate) programs: Programs,
    pub(crate) source: Source<'a>,
    pub(crate) limit: Duration,
    /// Leaves the initramfs and says how to boot it again.
    pub(crate) keep: bool,
    /// Where to write what the kernels say of links.
    pub(crate) fixtures: Option<PathBuf>,
    /// What everything that is run gets.
    pub(crate) arguments: &'a [String],
}

impl Job {
    /// A run of this kernel of the matrix.
    pub(crate) fn of(kernel: &'static Kernel) -> Self {
        Self {
            name: kernel.full_name(),
            subject: Subject::Matrix(kernel),
        }
    }

    /// Runs it. Whatever goes wrong is in the verdict.
    pub(crate) fn run(&self, setting: &Setting<'_>) -> Verdict {
        self.try_run(setting)
            .unwrap_or_else(|error| Verdict::not_run(&error))
    }

    fn try_run(&self, setting: &Setting<'_>) -> Result<Verdict> {
        let step = progress::step(&self.name, "preparing");
        let dir = setting.dir.join(&self.name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let fetched;
        let (image, mut environment) = match &self.subject {
            Subject::Matrix(kernel) => {
                fetched = image::obtain(kernel, &dir, &setting.source)?;
                (&fetched, vec![("BPF_LINK_STRICT", "1")])
            }
            // Nobody has said what may be skipped there.
            Subject::Given(image) => (image, vec![]),
        };
        environment.push(("PATH", Bpftool::DIRECTORY));
        environment.push(("BPF_LINKS", LISTER_IN_GUEST));
        environment.push(("BPF_LINK_EXAMPLES", EXAMPLES_IN_GUEST));
        let results = setting.platform.results.in_guest();
        let form = FORM.map(|name| std::env::var(name).map(|value| (name, value)));
        let form = form.iter().flatten();
        environment.extend(form.map(|(name, value)| (*name, value.as_str())));
        if setting.fixtures.is_some() {
            environment.push(("BPF_LINK_GOLDEN", results));
        }
        let selection = match &image.modules {
            Some(directory) => modules::select(directory, setting.platform)?,
            None => modules::Selection::default(),
        };
        let machine = Machine {
            platform: setting.platform,
            kernel: image.kernel.clone(),
            initramfs: dir.join("initramfs.cpio"),
            console: dir.join("console.log"),
            results: dir.join("results.jsonl"),
            messages: dir.join("qemu.log"),
        };
        let contents = Contents {
            programs: &setting.programs,
            modules: &selection.modules,
            arguments: setting.arguments,
            environment: &environment,
            results,
            libraries: &setting.platform.architecture.libraries(),
        };
        initramfs::write(&machine.initramfs, &contents)?;
        if setting.keep {
            step.note(&format!("run it again with: {}", machine.command_line()));
        }

        step.next("booting");
        let start = Instant::now();
        let ended = machine.run(setting.limit, || step.detail(&place(&machine.results)))?;
        let seconds = start.elapsed().as_secs();
        if !setting.keep {
            fs::remove_file(&machine.initramfs)?;
        }
        let (results, console) = (text(&machine.results), text(&machine.console));
        let mut verdict = judge(&results, &console, &ended, &text(&machine.messages));
        for name in selection.absent {
            let note = format!("{name}: not among the image's modules");
            verdict.notes.push(note);
        }
        if verdict.counts().failed > 0 {
            step.note(&format!("its log is {}", machine.console.display()));
        }
        match &setting.fixtures {
            Some(fixtures) if verdict.counts().failed == 0 => {
                fixtures::write(&verdict.golden, fixtures)?;
            }
            _ => {}
        }
        step.end(&format!("{} after {seconds} s", verdict.counts()));
        Ok(verdict)
    }
}

/// What a guest left in a file, which may end in half a character.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// How far a guest has come.
fn place(results: &Path) -> String {
    let mut tests = 0;
    let mut place = "booting".to_owned();
    for line in text(results).lines() {
        if let Ok(Record::Test { test, .. }) = serde_json::from_str(line) {
            tests += 1;
            place = format!("{tests} tests, the last one {test}");
        }
    }
    place
}
