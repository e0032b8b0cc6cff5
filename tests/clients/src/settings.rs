//! What an agent is told when it is started.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// What an agent is told when it is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent's own directory on a bpffs.
    pub directory: PathBuf,
    /// The network device.
    pub device: String,
    /// The cgroup of the server.
    pub cgroup: PathBuf,
    /// Where tracefs is mounted.
    pub tracefs: PathBuf,
    /// The server's UDP port.
    pub port: u32,
    /// Which version of the agent this is: 0 or 1.
    pub version: u32,
}

impl Settings {
    /// The arguments that an agent is started with.
    #[must_use]
    pub fn arguments(&self) -> [OsString; 6] {
        [
            self.directory.clone().into(),
            self.device.clone().into(),
            self.cgroup.clone().into(),
            self.tracefs.clone().into(),
            self.port.to_string().into(),
            self.version.to_string().into(),
        ]
    }

    pub(crate) fn of_this_process() -> Result<Self> {
        const USAGE: &str = "usage: AGENT DIRECTORY DEVICE CGROUP TRACEFS PORT VERSION";
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().context(USAGE);
        let settings = Self {
            directory: next()?.into(),
            device: next()?,
            cgroup: next()?.into(),
            tracefs: next()?.into(),
            port: next()?.parse().context(USAGE)?,
            version: next()?.parse().context(USAGE)?,
        };
        ensure!(arguments.next().is_none() && settings.version < 2, USAGE);
        Ok(settings)
    }

    /// Where the links are pinned.
    #[must_use]
    pub fn links(&self) -> PathBuf {
        self.directory.join("links")
    }

    /// Where the maps are pinned.
    #[must_use]
    pub fn maps(&self) -> PathBuf {
        self.directory.join("maps")
    }
}
