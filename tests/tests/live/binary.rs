//! Attaching to functions and USDT probes of binaries by their names.
//!
//! The binaries are made by hand ([`bpf_link_tests::elf`]): their code is as far from its address
//! as no section says, and is mapped and called by the test.

mod contained;
mod debug_data;
mod fired;
mod found;
mod large;
mod libraries;
mod opened;
mod taken_over;
mod tracer;
mod usdt;
mod without_sections;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;
use bpf_link_tests::Sandbox;
use bpf_link_tests::elf::ElfFile;
use bpf_link_tests::sys::MappedElf;
use bpf_link_typed::{Binary, BinaryProblem, Error};

use crate::harness::Listed::{self, Roles, Tests};

/// What the files of this folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(contained::TESTS),
    Roles(contained::ROLES),
    Roles(tracer::ROLES),
    Tests(debug_data::TESTS),
    Tests(fired::TESTS),
    Tests(found::TESTS),
    Tests(large::TESTS),
    Tests(libraries::TESTS),
    Roles(libraries::ROLES),
    Tests(opened::TESTS),
    Tests(taken_over::TESTS),
    Tests(tracer::TESTS),
    Tests(usdt::TESTS),
    Tests(without_sections::TESTS),
];

/// A file of the sandbox, open as a binary and mapped to be called.
struct Made {
    path: PathBuf,
    binary: Binary,
    mapped: MappedElf,
}

impl Made {
    fn new(sandbox: &Sandbox, name: &str, file: &ElfFile) -> Result<Self> {
        let path = sandbox.directory().join(name);
        std::fs::write(&path, file.build())?;
        Ok(Self {
            binary: Binary::open(&path)?,
            mapped: MappedElf::new(&File::open(&path)?)?,
            path,
        })
    }
}

/// Checks that the file has no function of this name, and that the error suggests this one.
fn ensure_missing(made: &Made, name: &str, similar: &str, is_stripped: bool) -> Result<()> {
    let refused = problem(made.binary.function(name), &made.path)?;
    let (name, similar) = (name.to_owned(), vec![similar.to_owned()]);
    let expected = if is_stripped {
        BinaryProblem::Stripped {
            name,
            similar,
            has_unread_symbols: false,
        }
    } else {
        BinaryProblem::NoSuchSymbol { name, similar }
    };
    anyhow::ensure!(refused == expected, "{refused:?}");
    Ok(())
}

/// The problem that a refusal is about, with this file.
fn problem<T>(result: bpf_link_typed::Result<T>, file: &Path) -> Result<BinaryProblem> {
    match result {
        Err(Error::Binary { path, problem }) => {
            anyhow::ensure!(path == file, "{}", path.display());
            Ok(*problem)
        }
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!("it was not refused"),
    }
}
