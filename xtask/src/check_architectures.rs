//! `cargo xtask check-architectures`: the published crates for every architecture that Debian has a
//! standard library for, and their tests that need no kernel under emulation.

mod golden;

use std::process::Command;

use anyhow::{Result, ensure};

use crate::architecture::{Architecture, OTHERS};
use crate::debian_rust::Toolchain;
use crate::{command, progress, published, workspace};

const NAME: &str = "check-architectures";

const LINTS: &str = "-Dwarnings";
const STATIC: &str = "-Ctarget-feature=+crt-static";

/// Under emulation this test takes as long as building everything. Its result does not depend on
/// the architecture.
const SLOW: &str = "ensure::decide::table::each_row_is_what_is_decided";

/// Builds the published crates for every 64-bit architecture that Debian has Rust's standard
/// library for, without a warning.
///
/// It also runs their unit tests on aarch64 and s390x, under QEMU, and decodes there the infos in
/// tests/fixtures that were recorded on machines with the same byte order.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fetch the packages from this mirror, not from the one that apt is configured with
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mirror = args.mirror.as_deref();
    let emulated = OTHERS.into_iter().filter(|one| one.is_emulated);
    let emulated = emulated.map(Emulated::new).collect::<Result<Vec<_>>>()?;
    let toolchain = Toolchain::fetch(mirror)?;
    for architecture in OTHERS {
        toolchain.add(architecture, mirror)?;
    }
    let manifest = published::copy(NAME, &[golden::MEMBER])?;
    golden::add(&manifest)?;
    let cargo = |arguments: &[&str]| {
        let mut cargo = toolchain.cargo();
        cargo.args(arguments).args(["--quiet", "--all-features"]);
        cargo.args(["--config", "profile.dev.debug=false"]);
        cargo.arg("--manifest-path").arg(&manifest);
        let target_dir = workspace::target().join(NAME).join("target");
        cargo.arg("--target-dir").arg(target_dir);
        cargo
    };

    let step = progress::step(NAME, "building");
    let mut check = cargo(&["check"]);
    for architecture in OTHERS {
        // What runs tests is built for those.
        if !architecture.is_emulated {
            check.args(["--target", architecture.target]);
        }
    }
    command::run(check.env("RUSTFLAGS", LINTS))?;
    let mut lines = vec![format!("{} architectures", OTHERS.len())];
    for emulated in emulated {
        let name = emulated.architecture.name;
        step.next(&format!("tests on {name}"));
        let mut test = cargo(&["test", "--lib"]);
        for name in golden::TESTS {
            test.args(["--test", name]);
        }
        emulated.runs(&mut test).args(["--", "--skip", SLOW]);
        let passed = passed(&command::run(&mut test)?);
        ensure!(passed > 0, "no test was run on {name}");
        lines.push(format!("{passed} tests on {name}"));
    }
    drop(step);
    println!("{NAME}: {}", lines.join(", "));
    Ok(())
}

/// An architecture whose programs can be linked and run here.
struct Emulated {
    architecture: &'static Architecture,
    linker: String,
    emulator: String,
}

impl Emulated {
    fn new(architecture: &'static Architecture) -> Result<Self> {
        Ok(Self {
            architecture,
            linker: architecture.linker()?,
            emulator: architecture.emulator()?,
        })
    }

    /// Has cargo build for it and run the result. Programs are linked statically, so that they need
    /// no libraries of that architecture.
    fn runs<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        let Self {
            architecture,
            linker,
            emulator,
        } = self;
        architecture
            .is_built_by(cargo, linker)
            .env(architecture.variable("RUNNER"), emulator)
            .env("RUSTFLAGS", format!("{LINTS} {STATIC}"))
    }
}

/// How many tests have passed, by what they have printed.
fn passed(output: &str) -> usize {
    let results = output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "));
    results
        .filter_map(|line| line.split(' ').next()?.parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted() {
        let output = "running 2 tests\n..\n\
            test result: ok. 2 passed; 0 failed; 0 ignored\n\n\
            running 40 tests\n\
            test result: ok. 40 passed; 0 failed; 0 ignored\n";
        assert_eq!(passed(output), 42);
        assert_eq!(passed(""), 0);
    }
}
