//! The open file descriptors of this process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Which descriptors were open, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptors {
    open: BTreeMap<i32, PathBuf>,
}

impl Descriptors {
    /// The descriptors that are open now.
    ///
    /// # Errors
    ///
    /// `/proc` is not there or not readable.
    pub fn now() -> Result<Self> {
        const DIRECTORY: &str = "/proc/self/fd";
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(DIRECTORY).context(DIRECTORY)? {
            let entry = entry?;
            let number = entry.file_name().to_string_lossy().parse()?;
            open.insert(number, std::fs::read_link(entry.path()).unwrap_or_default());
        }
        // One of them is the one that the directory was read through, which is closed by now.
        open.retain(|number, _| std::fs::symlink_metadata(format!("{DIRECTORY}/{number}")).is_ok());
        Ok(Self { open })
    }

    /// What has changed since `earlier`, a line for each descriptor: nothing where all is as it
    /// was.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<String> {
        let opened = self
            .missing_from(earlier)
            .map(|found| format!("left open: {found}"));
        let closed = earlier
            .missing_from(self)
            .map(|found| format!("closed: {found}"));
        opened.chain(closed).collect()
    }

    fn missing_from(&self, other: &Self) -> impl Iterator<Item = String> {
        self.open
            .iter()
            .filter(|&(number, target)| other.open.get(number) != Some(target))
            .map(|(number, target)| format!("fd {number} ({})", target.display()))
    }
}
