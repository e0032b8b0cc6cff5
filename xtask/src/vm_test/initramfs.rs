//! The guest's root: a newc archive with the init, the test binaries, the kernel modules and what
//! to do with them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cpio::newc::{Builder, ModeFileType, trailer};

use super::build::Programs;
use super::modules::Module;

/// What goes into the archive. `vm-init.rs` in the tests' package reads the plan from `/vm-test`.
pub(crate) struct Contents<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) modules: &'a [Module],
    /// What everything that the init runs gets.
    pub(crate) arguments: &'a [String],
    pub(crate) environment: &'a [(&'a str, &'a str)],
    /// The device that the results are written to.
    pub(crate) results: &'a str,
    /// Where programs look for libraries, without the leading slash.
    pub(crate) libraries: &'a str,
}

/// Writes the archive to a file.
pub(crate) fn write(path: &Path, contents: &Contents<'_>) -> Result<()> {
    let pack = || {
        let mut archive = Archive {
            out: BufWriter::new(File::create(path)?),
        };
        archive.pack(contents)?;
        trailer(&mut archive.out)?;
        anyhow::Ok(archive.out.flush()?)
    };
    pack().with_context(|| format!("cannot write {}", path.display()))
}

struct Archive<W> {
    out: W,
}

impl<W: Write> Archive<W> {
    fn pack(&mut self, contents: &Contents<'_>) -> Result<()> {
        for directory in [
            "dev",
            "proc",
            "sys",
            "tmp",
            "run",
            "modules",
            "tests",
            "vm-test",
            "bin",
            "examples",
            "lib",
            "lib64",
            "usr",
            "usr/lib",
            contents.libraries,
        ] {
            self.directory(directory)?;
        }
        // The init's standard streams, before there is a devtmpfs.
        self.console()?;
        self.program("init", &contents.programs.init)?;
        for (path, file) in &contents.programs.tools {
            self.program(path.trim_start_matches('/'), file)?;
        }

        let mut tests = vec![];
        for (name, path) in &contents.programs.run {
            self.program(&format!("tests/{name}"), path)?;
            tests.push(format!("/tests/{name}"));
        }
        let mut modules = vec![];
        for module in contents.modules {
            let path = format!("modules/{}.ko", module.name);
            self.file(&path, 0o644, &module.image)?;
            modules.push(format!("/{path}"));
        }
        let variables = contents.environment.iter();
        let environment: Vec<_> = variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.plan("results", &[contents.results.to_owned()])?;
        self.plan("tests", &tests)?;
        self.plan("modules", &modules)?;
        self.plan("arguments", contents.arguments)?;
        self.plan("environment", &environment)
    }

    /// A file of lines for the init.
    fn plan(&mut self, name: &str, lines: &[String]) -> Result<()> {
        let text: String = lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect();
        self.file(&format!("vm-test/{name}"), 0o644, text.as_bytes())
    }

    fn directory(&mut self, path: &str) -> Result<()> {
        let entry = Builder::new(path)
            .mode(0o755)
            .set_mode_file_type(ModeFileType::Directory);
        entry.write(&mut self.out, 0).finish()?;
        Ok(())
    }

    fn console(&mut self) -> Result<()> {
        let entry = Builder::new("dev/console")
            .mode(0o600)
            .set_mode_file_type(ModeFileType::Char);
        entry
            .rdev_major(5)
            .rdev_minor(1)
            .write(&mut self.out, 0)
            .finish()?;
        Ok(())
    }

    fn program(&mut self, path: &str, source: &PathBuf) -> Result<()> {
        let bytes = fs::read(source).with_context(|| source.display().to_string())?;
        self.file(path, 0o755, &bytes)
    }

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let size = u32::try_from(bytes.len())
            .with_context(|| format!("{path} is too large for the archive"))?;
        let mut entry = Builder::new(path)
            .mode(mode)
            .set_mode_file_type(ModeFileType::Regular)
            .write(&mut self.out, size);
        entry.write_all(bytes)?;
        entry.finish()?;
        Ok(())
    }
}
