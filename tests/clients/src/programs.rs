//! The programs of an agent, which one of the loaders has loaded.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};

/// Loaded programs, by their names in C.
#[derive(Debug, Default)]
pub struct Programs(BTreeMap<String, OwnedFd>);

impl Programs {
    /// Adds a program.
    ///
    /// # Errors
    ///
    /// The descriptor cannot be duplicated.
    pub fn add(&mut self, name: &str, program: impl AsFd) -> Result<()> {
        let program = program.as_fd().try_clone_to_owned().context("a program")?;
        self.0.insert(name.to_owned(), program);
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Result<BorrowedFd<'_>> {
        let program = self.0.get(name);
        let program = program.with_context(|| format!("there is no program {name}"))?;
        Ok(program.as_fd())
    }
}
