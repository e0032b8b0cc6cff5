//! What is pinned in the directory of a set.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bpf_link::{LinkId, LinkKind, PinEntry, RawLink};

use crate::ensure::member::temporary_pin;
use crate::error::{Error, Result};

/// What is pinned in a directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) links: Vec<Found>,
    /// The names, and which of the links has each; `None` for what is not a link.
    names: BTreeMap<OsString, Option<usize>>,
    ids: HashMap<LinkId, usize>,
}

/// A link, and its pins in the directory.
#[derive(Debug)]
pub(super) struct Found {
    /// `None` while it is a link of the set's.
    pub(super) link: Option<RawLink>,
    pub(super) id: LinkId,
    pub(super) kind: LinkKind,
    pub(super) pins: Vec<OsString>,
}

impl Found {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.pins.iter().any(|pin| pin.as_os_str() == name)
    }

    /// The name of each pin; of a temporary one, the name that it is on the way to.
    pub(super) fn stems(&self) -> impl Iterator<Item = &OsStr> {
        self.pins.iter().map(|pin| stem(pin))
    }

    /// The name of a pin, if there is one that is not a temporary one.
    pub(super) fn name(&self) -> String {
        let lasting = self.pins.iter().find(|pin| !is_temporary(pin));
        let name = lasting.or(self.pins.first()).cloned();
        name.unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Directory {
    /// Opens every link that is pinned there.
    pub(super) fn look(path: &Path) -> Result<Self> {
        let mut directory = Self::empty(path);
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Directories and symbolic links are not opened.
            let found = if entry.file_type().map_err(failed)?.is_file() {
                PinEntry::at(entry.path())?
            } else {
                PinEntry::NotALink
            };
            directory.add(entry.file_name(), found)?;
        }
        Ok(directory)
    }

    /// A directory with nothing in it.
    pub(super) fn empty(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            links: Vec::new(),
            names: BTreeMap::new(),
            ids: HashMap::new(),
        }
    }

    fn add(&mut self, name: OsString, found: PinEntry) -> Result<()> {
        let link = match found {
            PinEntry::Missing => return Ok(()),
            PinEntry::NotALink => {
                self.names.insert(name, None);
                return Ok(());
            }
            PinEntry::Link(link) => link,
        };
        let (id, kind) = (link.id()?, link.kind()?);
        let index = *self.ids.entry(id).or_insert(self.links.len());
        match self.links.get_mut(index) {
            Some(found) => found.pins.push(name.clone()),
            None => self.links.push(Found {
                link: Some(link),
                id,
                kind,
                pins: vec![name.clone()],
            }),
        }
        self.names.insert(name, Some(index));
        Ok(())
    }

    pub(super) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// Which of the links has this name.
    pub(super) fn named(&self, name: &OsStr) -> Option<usize> {
        self.names.get(name).copied().flatten()
    }

    /// Which of the links were left beside the path of this name by a run that was killed.
    pub(super) fn left_beside(&self, name: &str) -> Vec<usize> {
        let from = name_of(&bpf_link::temporary_pin(self.at(name)));
        let later = self.names.range(from.clone()..);
        let all = later.take_while(|(found, _)| found.as_bytes().starts_with(from.as_bytes()));
        let ours = all.filter(|(found, _)| is_temporary(found) && stem(found) == name);
        ours.filter_map(|(_, link)| *link).collect()
    }

    /// Whether something that is not a link has this name.
    pub(super) fn is_other(&self, name: &OsStr) -> bool {
        self.names.get(name) == Some(&None)
    }

    pub(super) fn has(&self, link: LinkId) -> bool {
        self.ids.contains_key(&link)
    }

    /// A path beside that of this name at which nothing is pinned; it is not given twice.
    pub(super) fn beside(&mut self, name: &str) -> PathBuf {
        let to = self.at(name);
        let mut number = 1;
        loop {
            let path = temporary_pin(&to, number);
            number += 1;
            if let Entry::Vacant(free) = self.names.entry(name_of(&path)) {
                free.insert(None);
                return path;
            }
        }
    }
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_owned()
}

/// Whether a pin of this name is there for a moment on the way to its own.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    bpf_link::is_temporary_pin(Path::new(name))
}

/// The name that such a pin is on the way to.
pub(super) fn stem(name: &OsStr) -> &OsStr {
    let bytes = name.as_bytes();
    // What follows the name.
    let suffix = bpf_link::temporary_pin("").into_os_string();
    let mut parts = bytes.windows(suffix.len());
    let end = parts.position(|part| part == suffix.as_bytes());
    OsStr::from_bytes(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes))
}

/// Refuses the root of a bpffs, which belongs to all.
///
/// The number of its inode is 1, and it is where another file system is mounted on.
pub(super) fn refuse_root(path: &Path) -> Result<()> {
    let of = |path: &Path| {
        std::fs::metadata(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })
    };
    let (directory, parent) = (of(path)?, of(&path.join(".."))?);
    if directory.ino() == ROOT && directory.dev() != parent.dev() {
        return Err(Error::RootOfBpffs {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// The inode of the root, as `simple_fill_super` makes it.
const ROOT: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_temporary_pins() {
        let path = bpf_link::temporary_pin("/sys/fs/bpf/agent/eth0");
        let name = name_of(&path);
        assert!(is_temporary(&name) && !is_temporary("eth0".as_ref()));
        assert_eq!(stem(&name), "eth0");
        assert_eq!(stem(OsStr::new("eth0")), "eth0");
    }

    #[test]
    fn no_path_is_given_twice() {
        let mut directory = Directory::empty("/sys/fs/bpf/agent".as_ref());
        let (first, second) = (directory.beside("a"), directory.beside("a"));
        assert_ne!(first, second);
        assert!(is_temporary(&name_of(&second)));
    }
}
