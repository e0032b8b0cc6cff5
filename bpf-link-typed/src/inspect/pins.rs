//! Where links are pinned.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use bpf_link::{Error, LinkId, RawLink};

use super::mounts::{Mount, Mounts};

/// Where links are pinned, on every bpffs of this mount namespace that can be seen from the
/// caller's root.
///
/// [`refresh`](Self::refresh) looks at all pins. The first look opens each for a moment, to ask
/// whether it is a link and which; later ones open only pins that are new. A pin that was replaced
/// has a new inode, and is new.
///
/// ```no_run
/// use bpf_link_typed::inspect::Pins;
///
/// # fn example(id: bpf_link_typed::LinkId) {
/// let mut pins = Pins::new();
/// pins.refresh();
/// for path in pins.of(id) {
///     println!("{id} is pinned at {}", path.display());
/// }
/// for note in pins.notes() {
///     println!("there may be more: {note}");
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Pins {
    /// What is pinned as each file that was there at the last look.
    known: HashMap<DeviceAndInode, Option<LinkId>>,
    /// The links and where they are pinned, by link, and for each by path.
    links: Vec<LinkId>,
    paths: Vec<PathBuf>,
    notes: Vec<PinNote>,
}

/// Why pins may be missing.
#[derive(Debug)]
#[non_exhaustive]
pub enum PinNote {
    /// The mounts of this mount namespace could not be read.
    Mounts(io::Error),
    /// A directory could not be read.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why it could not be read.
        error: io::Error,
    },
    /// A pin could not be opened, or not be asked what it is.
    Pin(Error),
}

/// What tells one file from another.
type DeviceAndInode = (u64, u64);

impl Pins {
    /// No pins yet: the first [`refresh`](Self::refresh) finds them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at all pins.
    ///
    /// A pin that is made, moved or removed during the look may be missing. What could not be read
    /// is in [`notes`](Self::notes).
    ///
    /// # Kernel
    ///
    /// `getdents64(2)` of each directory, and `BPF_OBJ_GET` and `BPF_OBJ_GET_INFO_BY_FD` for each
    /// new pin. Opening pins needs permission to read and write them, and before Linux 5.19
    /// `CAP_BPF`.
    pub fn refresh(&mut self) {
        let mut look = Look {
            before: &self.known,
            known: HashMap::with_capacity(self.known.len()),
            found: Vec::with_capacity(self.paths.len()),
            notes: Vec::new(),
        };
        match Mounts::read() {
            Ok(mounts) => {
                for mount in mounts.of("bpf") {
                    look.walk(mount);
                }
            }
            Err(error) => look.notes.push(PinNote::Mounts(error)),
        }
        let Look {
            known,
            mut found,
            notes,
            ..
        } = look;
        found.sort_unstable();
        // A bpffs may be mounted within itself, and met twice.
        found.dedup();
        (self.links, self.paths) = found.into_iter().unzip();
        (self.known, self.notes) = (known, notes);
    }

    /// Where this link was pinned at the last look, in the order of the paths.
    #[must_use]
    pub fn of(&self, id: LinkId) -> &[PathBuf] {
        let start = self.links.partition_point(|link| *link < id);
        let end = self.links.partition_point(|link| *link <= id);
        self.paths.get(start..end).unwrap_or_default()
    }

    /// All pins of links as of the last look: by link, and for each link by path.
    pub fn iter(&self) -> impl Iterator<Item = (LinkId, &Path)> {
        let paths = self.paths.iter().map(PathBuf::as_path);
        self.links.iter().copied().zip(paths)
    }

    /// Why pins may be missing from the last look.
    #[must_use]
    pub fn notes(&self) -> &[PinNote] {
        &self.notes
    }
}

/// A look at all pins.
struct Look<'a> {
    before: &'a HashMap<DeviceAndInode, Option<LinkId>>,
    known: HashMap<DeviceAndInode, Option<LinkId>>,
    found: Vec<(LinkId, PathBuf)>,
    notes: Vec<PinNote>,
}

impl Look<'_> {
    /// Walks the files of a bpffs.
    fn walk(&mut self, mount: Mount) {
        let mut directories = vec![mount.path];
        while let Some(directory) = directories.pop() {
            match self.read(&directory, mount.device, &mut directories) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.notes.push(PinNote::Directory {
                        path: directory,
                        error,
                    });
                }
                _ => {}
            }
        }
    }

    fn read(
        &mut self,
        directory: &Path,
        device: u64,
        directories: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // The directory itself says what its entries are.
            let file_type = entry.file_type()?;
            if file_type.is_file() {
                self.meet((device, entry.ino()), entry.path());
            } else if file_type.is_dir() {
                let path = entry.path();
                match fs::symlink_metadata(&path) {
                    // Another file system is mounted there.
                    Ok(found) if found.dev() != device => {}
                    Ok(_) => directories.push(path),
                    // Directories come and go.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn meet(&mut self, file: DeviceAndInode, path: PathBuf) {
        let known = self.before.get(&file).or_else(|| self.known.get(&file));
        let pinned = match known {
            Some(pinned) => *pinned,
            None => match RawLink::from_pinned(&path).and_then(|link| link.id()) {
                Ok(id) => Some(id),
                Err(Error::NotALink(_)) => None,
                // Pins come and go.
                Err(Error::PathNotFound(_)) => return,
                Err(error) => {
                    self.notes.push(PinNote::Pin(error));
                    return;
                }
            },
        };
        self.known.insert(file, pinned);
        if let Some(id) = pinned {
            self.found.push((id, path));
        }
    }
}

impl fmt::Display for PinNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounts(error) => write!(f, "cannot read the mounts: {error}"),
            Self::Directory { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Pin(error) => fmt::Display::fmt(error, f),
        }
    }
}
