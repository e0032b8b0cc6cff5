//! What has hooks, and what is attached there.

use std::ffi::CString;
use std::path::PathBuf;

use bpf_link::MapId;

use super::attached::AttachedProgram;
use super::note::HookNote;

/// Something that has hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookPlace {
    /// A network device.
    Device {
        /// Its index in its network namespace.
        index: u32,
        /// Its name.
        name: CString,
    },
    /// A cgroup.
    Cgroup {
        /// Its id.
        id: u64,
        /// Its path, as it was given; for a descriptor, what procfs says.
        path: PathBuf,
    },
    /// A network namespace.
    Netns {
        /// The inode of its file.
        inode: u64,
    },
    /// A map of sockets.
    Map {
        /// Its id.
        id: MapId,
        /// Its name, cut by the kernel to 15 bytes; empty if the map is unnamed.
        name: CString,
    },
}

/// What is attached to something that has hooks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlaceHooks {
    /// What has the hooks.
    pub place: HookPlace,
    /// The programs: those of each hook one after the other, in the order in which they run.
    pub programs: Vec<AttachedProgram>,
    /// What could not be found out.
    pub notes: Vec<HookNote>,
}

impl PlaceHooks {
    /// Whether nothing is attached, as far as could be found out: look at the notes as well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }
}
