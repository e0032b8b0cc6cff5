//! How long a user of each library waits for a clean release build of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{command, progress, workspace};

/// Builds each library so many times, in turns, and prints a line for each.
pub(super) fn run(rounds: NonZeroUsize, with_libbpf: bool) -> Result<()> {
    // The peers are as they come by default, in the newest versions that `tests/peers` can be built
    // with.
    let ours = workspace::root().join("bpf-link-typed");
    let mut users = vec![
        User::new(
            "bpf-link-typed",
            &format!("{{ path = \"{}\" }}", ours.display()),
        )?,
        User::new("aya", r#""0.14""#)?,
    ];
    if with_libbpf {
        users.push(User::new("libbpf-rs", r#""0.27""#)?);
    }
    for round in 1..=rounds.get() {
        for user in &mut users {
            let _step = progress::step("build", &format!("{}, {round} of {rounds}", user.name));
            user.build()?;
        }
    }
    let ours = users.first().map(User::median).unwrap_or_default();
    for user in &users {
        let Packages { count, twice } = user.packages()?;
        let median = user.median();
        let ratio = ours.as_secs_f64() / median.as_secs_f64();
        let twice = match twice.as_slice() {
            [] => "none of them twice".to_owned(),
            names => format!("in two versions: {}", names.join(", ")),
        };
        println!(
            "build of {}: {:.1} s, {count} packages, {twice}, bpf-link-typed to it {ratio:.2}",
            user.name,
            median.as_secs_f64(),
        );
    }
    Ok(())
}

/// A package that depends on one library and has a target directory of its own.
struct User {
    name: &'static str,
    dir: PathBuf,
    took: Vec<Duration>,
}

/// What a build of the library takes, besides the user's own package.
struct Packages {
    count: usize,
    /// Those that are built in more than one version.
    twice: Vec<String>,
}

impl User {
    fn new(name: &'static str, requirement: &str) -> Result<Self> {
        let dir = workspace::target().join("build-times").join(name);
        let source = dir.join("src");
        fs::create_dir_all(&source).with_context(|| source.display().to_string())?;
        fs::write(source.join("lib.rs"), "")?;
        let manifest = format!(
            "[package]\nname = \"user\"\nedition = \"2024\"\nrust-version = \"1.87\"\n\n[dependencies]\n{name} = {requirement}\n\n[workspace]\n"
        );
        fs::write(dir.join("Cargo.toml"), manifest)?;
        let user = Self {
            name,
            dir,
            took: vec![],
        };
        command::run(user.cargo().arg("fetch"))?;
        Ok(user)
    }

    fn cargo(&self) -> Command {
        let mut cargo = command::new(env!("CARGO"));
        // Not that of the workspace, wherever that is.
        cargo
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", self.dir.join("target"));
        cargo
    }

    fn build(&mut self) -> Result<()> {
        let target = self.dir.join("target");
        if target.exists() {
            fs::remove_dir_all(&target).with_context(|| target.display().to_string())?;
        }
        let start = Instant::now();
        command::run(self.cargo().args(["build", "--release", "--offline"]))?;
        self.took.push(start.elapsed());
        Ok(())
    }

    fn median(&self) -> Duration {
        let mut took = self.took.clone();
        took.sort();
        took.get(took.len() / 2).copied().unwrap_or_default()
    }

    fn packages(&self) -> Result<Packages> {
        let tree = command::run(self.cargo().args([
            "tree",
            "--offline",
            "--edges=normal,build",
            "--prefix=none",
            "--format={p}",
        ]))?;
        let packages = tree.lines().skip(1).filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        });
        let packages: BTreeSet<(&str, &str)> = packages.collect();
        let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, _) in &packages {
            *versions.entry(name).or_default() += 1;
        }
        versions.retain(|_, count| *count > 1);
        Ok(Packages {
            count: packages.len(),
            twice: versions.into_keys().map(str::to_owned).collect(),
        })
    }
}
