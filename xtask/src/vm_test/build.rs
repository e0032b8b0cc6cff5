//! The programs of the guest: the init, what it runs, and the lister that tests run, built static
//! so that the guest needs no file of this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::image::Source;
use super::platform::Platform;
use crate::debian_rust::Toolchain;

/// The test targets of the package that are run in the guest. Each of them honours
/// `BPF_LINK_REPORT` (see `record`).
const TESTS: [&str; 1] = ["live"];
const PACKAGE: &str = "bpf-link-tests";
const INIT: &str = "vm-init";
/// The benchmarks, which honour it as well.
const BENCH: &str = "peers";
/// The command that tests run.
const LISTER: &str = "bpf-links";

/// Under emulation what is not optimised takes its time, but to optimise dependencies costs more
/// than it saves; besides what reads the text of the bindings.
const PROFILE: [&str; 5] = [
    "profile.dev.opt-level=1",
    "profile.dev.debug=false",
    "profile.dev.package.\"*\".opt-level=0",
    "profile.dev.package.proc-macro2.opt-level=1",
    "profile.dev.package.syn.opt-level=1",
];

/// - The symbols stay: tests attach to their own functions, and a panic names the function it was
///   in.
/// - Every test is a process, and so is each restarted agent: no relocations, of which there would
///   be fifty thousand at each start.
const FLAGS: [&str; 3] = [
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Cstrip=debuginfo",
];

/// Where the guest has the lister.
pub(crate) const LISTER_IN_GUEST: &str = "/bin/bpf-links";
/// The directory in which the guest has the examples of the crates.
pub(crate) const EXAMPLES_IN_GUEST: &str = "/examples";

/// What goes into the guest and can be run there.
pub(crate) struct Programs {
    pub(crate) init: PathBuf,
    /// What the init runs, in this order, by name.
    pub(crate) run: Vec<(&'static str, PathBuf)>,
    /// What those need: where each file is in the guest, and where it is here.
    pub(crate) tools: Vec<(String, PathBuf)>,
}

/// What is read of a line that cargo prints for `--message-format=json`.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// How programs are built for a platform.
pub(crate) struct Build {
    platform: &'static Platform,
    cargo: Cargo,
    /// Of its own, for the flags are not those of the workspace's other builds.
    target_dir: PathBuf,
}

/// Which cargo.
enum Cargo {
    /// The one that runs this.
    Own,
    /// Debian's, with the program that links for another architecture.
    Debians(Toolchain, String),
}

impl Build {
    /// Fetches what building for the platform takes.
    pub(crate) fn new(
        platform: &'static Platform,
        target_dir: PathBuf,
        source: &Source<'_>,
    ) -> Result<Self> {
        let cargo = if platform.is_own() {
            Cargo::Own
        } else {
            let linker = platform.architecture.linker()?;
            let toolchain = Toolchain::fetch(source.mirror)?;
            toolchain.add(platform.architecture, source.mirror)?;
            Cargo::Debians(toolchain, linker)
        };
        Ok(Self {
            platform,
            cargo,
            target_dir,
        })
    }

    /// The tests, and the lister and the examples that they run.
    pub(crate) fn tests(&self, workspace: &Path) -> Result<Programs> {
        // With the tests of a package cargo builds its binaries as well, and so the init. Of the
        // whole workspace, as what a package alone depends on has other features, and so would be
        // built twice.
        let mut arguments = vec!["test", "--no-run", "--workspace"];
        for test in TESTS {
            arguments.extend(["--test", test]);
        }
        arguments.extend(profile());
        let messages = self.run(&arguments, workspace)?;
        let mut run_by_tests = vec!["build", "--workspace", "--bin", LISTER, "--examples"];
        run_by_tests.extend(profile());
        let run_by_tests = self.run(&run_by_tests, workspace)?;
        let mut tools = vec![(
            LISTER_IN_GUEST.to_owned(),
            find(&run_by_tests, "bin", LISTER)?,
        )];
        let examples = all(&run_by_tests, "example");
        tools.extend(
            examples.map(|(name, path)| (format!("{EXAMPLES_IN_GUEST}/{name}"), path.to_owned())),
        );
        Ok(Programs {
            init: find(&messages, "bin", INIT)?,
            run: TESTS
                .into_iter()
                .map(|name| Ok((name, find(&messages, "test", name)?)))
                .collect::<Result<_>>()?,
            tools,
        })
    }

    /// The benchmarks, without libbpf-rs, as that is C.
    pub(crate) fn benchmarks(&self, workspace: &Path) -> Result<Programs> {
        let init = ["build", "--package", PACKAGE, "--bin", INIT];
        let init = find(&self.run(&init, workspace)?, "bin", INIT)?;
        let peers = workspace.join("tests/peers");
        let bench = [
            "bench",
            "--no-run",
            "--bench",
            BENCH,
            "--no-default-features",
        ];
        let bench = find(&self.run(&bench, &peers)?, "bench", BENCH)?;
        Ok(Programs {
            init,
            run: vec![(BENCH, bench)],
            tools: vec![],
        })
    }

    /// Runs cargo, and gives back what it says about what it has built.
    fn run(&self, arguments: &[&str], directory: &Path) -> Result<Vec<Message>> {
        let architecture = self.platform.architecture;
        let mut flags = FLAGS.to_vec();
        let mut cargo = match &self.cargo {
            Cargo::Own => {
                let mut cargo =
                    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                cargo
                    .args(arguments)
                    .args(["--target", architecture.target]);
                cargo
            }
            Cargo::Debians(toolchain, linker) => {
                // Debian's Rust is older, and takes for unused what this machine's does not.
                flags.push("-Adead_code");
                let mut cargo = toolchain.cargo();
                architecture.is_built_by(cargo.args(arguments), linker);
                cargo
            }
        };
        cargo
            .args([
                "--locked",
                "--message-format",
                "json-render-diagnostics",
                "--target-dir",
            ])
            .arg(&self.target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .current_dir(directory)
            .stderr(Stdio::inherit());
        let output = cargo.output().context("cannot run cargo")?;
        ensure!(
            output.status.success(),
            "building the guest's programs failed ({})",
            output.status
        );
        parse(&output.stdout)
    }
}

/// `PROFILE` as arguments of cargo.
fn profile() -> impl Iterator<Item = &'static str> {
    PROFILE.iter().flat_map(|setting| ["--config", setting])
}

fn parse(stdout: &[u8]) -> Result<Vec<Message>> {
    let lines = stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).context("cargo printed a line that is no message"))
        .collect()
}

fn find(messages: &[Message], kind: &str, name: &str) -> Result<PathBuf> {
    let mut found = all(messages, kind).filter(|(found, _)| *found == name);
    match found.next() {
        Some((_, path)) => Ok(path.to_owned()),
        None => bail!("cargo built no {kind} {name}"),
    }
}

/// All programs of a kind that cargo has built: the name and the path of each.
fn all<'a>(messages: &'a [Message], kind: &str) -> impl Iterator<Item = (&'a str, &'a Path)> {
    messages.iter().filter_map(move |message| {
        let target = message.target.as_ref()?;
        let is_of_kind = target.kind.iter().any(|of| of == kind);
        let path = message.executable.as_deref().filter(|_| is_of_kind)?;
        Some((target.name.as_str(), path))
    })
}
