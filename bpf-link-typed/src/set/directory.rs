//! What is pinned in the directory of a set.

use std::collections::{HashMap, HashSet, hash_map};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bpf_link::{Command, LinkId, LinkKind, PinDirectory, PinEntry, RawLink};

use crate::ensure::member::temporary_pin;
use crate::error::{Error, Result};

/// What is pinned in a directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: Rc<Path>,
    pub(super) links: Vec<Found>,
    /// The names, and which of the links has each; `None` for what is not a link.
    names: HashMap<Rc<OsStr>, Option<usize>>,
    ids: HashMap<LinkId, usize>,
    /// Those of the names that are of temporary pins.
    temporary: Vec<Rc<OsStr>>,
}

/// Whose pins may be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owners {
    Ours,
    Any,
    /// Only we can make any.
    NotAsked,
}

impl Owners {
    /// Whether a pin is refused because it is, or may be, another user's.
    fn excuse(self, error: &bpf_link::Error) -> bool {
        match (self, error) {
            (Self::Ours, bpf_link::Error::Exposed { .. }) => true,
            (Self::Any, bpf_link::Error::PermissionDenied(error)) => {
                error.command() == Command::ObjGet
            }
            _ => false,
        }
    }
}

/// A link, and its pins in the directory.
#[derive(Debug)]
pub(super) struct Found {
    /// `None` while it is a link of the set's.
    pub(super) link: Option<RawLink>,
    pub(super) id: LinkId,
    pub(super) kind: LinkKind,
    pub(super) pins: Vec<Rc<OsStr>>,
}

impl Found {
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.pins.iter().any(|pin| **pin == *OsStr::new(name))
    }

    /// The name of each pin; of a temporary one, the name that it is on the way to.
    pub(super) fn stems(&self) -> impl Iterator<Item = &OsStr> {
        self.pins.iter().map(|pin| stem(pin))
    }

    /// The name of a pin, if there is one that is not a temporary one.
    pub(super) fn name(&self) -> String {
        let lasting = self.pins.iter().find(|pin| !is_temporary(pin));
        let name = lasting.or(self.pins.first());
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

impl Directory {
    /// Opens every link that is pinned there. A set has no links of other users: a pin that is, or
    /// may be, another user's is skipped if it cannot be opened, unless it has a wanted name.
    pub(super) fn look(path: &Path, owners: Owners, wanted: &HashSet<&OsStr>) -> Result<Self> {
        let mut directory = Self::with_room(path, wanted.len());
        let pins = PinDirectory::open(path)?;
        pins.for_each(|name, is_file| {
            // Directories and symbolic links are not opened.
            let found = match owners {
                _ if !is_file => Ok(PinEntry::NotALink),
                Owners::Ours => pins.own_entry(name),
                Owners::Any => pins.entry(name),
                Owners::NotAsked => pins.file(name),
            };
            let found = match found {
                Err(error) if owners.excuse(&error) && !wanted.contains(name) => PinEntry::NotALink,
                found => found?,
            };
            directory.add(name.into(), found)
        })?;
        Ok(directory)
    }

    /// A directory with nothing in it.
    pub(super) fn empty(path: &Path) -> Self {
        Self::with_room(path, 0)
    }

    fn with_room(path: &Path, links: usize) -> Self {
        Self {
            path: path.into(),
            links: Vec::with_capacity(links),
            names: HashMap::with_capacity(links),
            ids: HashMap::with_capacity(links),
            temporary: Vec::new(),
        }
    }

    fn add(&mut self, name: Rc<OsStr>, found: PinEntry) -> bpf_link::Result<()> {
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
        if is_temporary(&name) {
            self.temporary.push(name.clone());
        }
        self.names.insert(name, Some(index));
        Ok(())
    }

    pub(super) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        path_in(&self.path, name.as_ref())
    }

    /// Whether something that is not a link has this name.
    pub(super) fn is_other(&self, name: &OsStr) -> bool {
        self.names.get(name) == Some(&None)
    }

    /// Which of the links has this name.
    pub(super) fn named(&self, name: &OsStr) -> Option<usize> {
        self.names.get(name).copied().flatten()
    }

    /// Which of the links were left beside the path of this name by a run that was killed.
    pub(super) fn left_beside(&self, name: &str) -> Vec<usize> {
        let ours = self.temporary.iter().filter(|found| stem(found) == name);
        ours.filter_map(|found| self.named(found)).collect()
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
            if let hash_map::Entry::Vacant(free) = self.names.entry(name_of(&path).into()) {
                free.insert(None);
                return path;
            }
        }
    }
}

/// The path of a name in a directory.
pub(super) fn path_in(directory: &Path, name: &OsStr) -> PathBuf {
    let mut path = OsString::with_capacity(directory.as_os_str().len() + name.len() + 1);
    path.push(directory);
    path.push("/");
    path.push(name);
    path.into()
}

fn name_of(path: &Path) -> OsString {
    path.file_name().unwrap_or_default().to_owned()
}

/// Whether a pin of this name is there for a moment on the way to its own.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    bpf_link::is_temporary_pin(Path::new(name))
}

/// The names of these pins, without temporary ones and without `but`.
pub(super) fn lasting_names(pins: &[Rc<OsStr>], but: Option<&String>) -> Vec<String> {
    let lasting = pins.iter().filter(|pin| !is_temporary(pin));
    let names = lasting.map(|pin| pin.to_string_lossy().into_owned());
    names.filter(|name| but != Some(name)).collect()
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
    let directory = of(path)?;
    if directory.ino() == ROOT && directory.dev() != of(&path.join(".."))?.dev() {
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
