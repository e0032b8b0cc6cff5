//! `cargo xtask features`: the published crates with none of their features, with each alone and
//! with all of them.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::{command, progress, published, workspace};

const NAME: &str = "features";

/// Builds the published crates with none of their features, with each alone and with all of them,
/// and runs their unit tests.
///
/// A build of the whole workspace has every feature that any of its packages asks for, and hides
/// what is missing without it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let manifest = published::copy(NAME, &[])?;
    let target_dir = workspace::target().join(NAME).join("target");
    let mut ran = 0;
    for package in workspace::LIBRARIES {
        for features in sets(&features(&manifest, package)?) {
            let step = progress::step(NAME, &format!("{package} with {}", in_words(&features)));
            let mut test = command::new(env!("CARGO"));
            test.args([
                "test",
                "--quiet",
                "--offline",
                "--lib",
                "--package",
                package,
            ]);
            test.args(["--no-default-features", "--features", &features.join(",")]);
            test.args([
                OsStr::new("--manifest-path"),
                manifest.as_os_str(),
                OsStr::new("--target-dir"),
                target_dir.as_os_str(),
            ]);
            command::run(test.env("RUSTFLAGS", "-Dwarnings"))?;
            drop(step);
            ran += 1;
        }
    }
    println!("{NAME}: {ran} sets");
    Ok(())
}

/// The features that a package has.
fn features(manifest: &Path, package: &str) -> Result<Vec<String>> {
    let packages = workspace::packages(manifest)?;
    let mut packages = packages.iter();
    let found = packages.find(|found| found.get("name").is_some_and(|name| name == package));
    let features = found.and_then(|found| found.get("features")?.as_object());
    let features = features.with_context(|| format!("{package} is not in the workspace"))?;
    let names: Vec<String> = features.keys().cloned().collect();
    ensure!(
        !names.iter().any(|name| name == "default"),
        "{package} has features that are on by default, which only some users need"
    );
    Ok(names)
}

/// None, each alone, and all of them if there are several.
fn sets(features: &[String]) -> Vec<Vec<String>> {
    let mut sets = vec![vec![]];
    sets.extend(features.iter().map(|feature| vec![feature.clone()]));
    if features.len() > 1 {
        sets.push(features.to_vec());
    }
    sets
}

fn in_words(features: &[String]) -> String {
    if features.is_empty() {
        "no features".to_owned()
    } else {
        features.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alone_and_all_together() {
        let [a, b] = ["a", "b"].map(str::to_owned);
        assert_eq!(sets(&[]), [Vec::<String>::new()]);
        assert_eq!(sets(std::slice::from_ref(&a)), [vec![], vec![a.clone()]]);
        let both = [a.clone(), b.clone()];
        assert_eq!(
            sets(&both),
            [vec![], vec![a.clone()], vec![b.clone()], vec![a, b]]
        );
    }
}
