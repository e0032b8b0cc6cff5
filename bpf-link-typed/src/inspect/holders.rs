//! Which processes hold which links.

mod holder;
mod note;
mod procfs;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use bpf_link::{LinkFileScanner, LinkId};

use procfs::Found;

pub use holder::Holder;
pub use note::{HolderMethod, NoIterator, UnreadHolders};

/// Which processes hold which links, by descriptors.
///
/// [`refresh`](Self::refresh) looks at all processes. It uses the kernel's iterator over their
/// files where this kernel and this process can; otherwise it reads procfs, which takes at least
/// ten times as long. Both find the descriptors of threads that have their own table, and of
/// processes whose first thread has ended.
///
/// Only processes of the caller's PID namespace and of the namespaces below it are looked at, and
/// process ids are those of the caller's PID namespace.
///
/// ```no_run
/// use bpf_link_typed::inspect::Holders;
///
/// # fn example(id: bpf_link_typed::LinkId) {
/// let mut holders = Holders::new();
/// holders.refresh();
/// for holder in holders.of(id) {
///     println!("{id} is held by {} {:?}", holder.pid(), holder.comm());
/// }
/// if let Some(unread) = holders.unread() {
///     println!("there may be more: {unread}");
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Holders {
    scanner: Scanner,
    without: Option<u32>,
    buf: Vec<u8>,
    /// By link, and for each by process.
    found: Vec<Holder>,
    method: Option<HolderMethod>,
    /// Why the iterator failed at the last look.
    failed: Option<NoIterator>,
    unread: Option<UnreadHolders>,
}

#[derive(Debug, Default)]
enum Scanner {
    #[default]
    Untried,
    /// The caller wants procfs.
    Unwanted,
    Loaded(LinkFileScanner),
    No(NoIterator),
}

impl Scanner {
    fn load() -> Self {
        match is_in_the_first_pid_namespace() {
            Ok(true) => {}
            Ok(false) => return Self::No(NoIterator::PidNamespace(None)),
            Err(error) => return Self::No(NoIterator::PidNamespace(Some(error))),
        }
        match LinkFileScanner::load() {
            Ok(scanner) => Self::Loaded(scanner),
            Err(refusal) => Self::No(NoIterator::Refused(refusal)),
        }
    }

    /// Whether to load it at the next look.
    fn is_to_be_loaded(&self) -> bool {
        match self {
            Self::Untried => true,
            Self::No(NoIterator::Refused(refusal)) => refusal.is_transient(),
            Self::Loaded(_) | Self::No(_) | Self::Unwanted => false,
        }
    }
}

impl Holders {
    /// No holders yet: the first [`refresh`](Self::refresh) finds them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), but the kernel's iterator is never used.
    #[must_use]
    pub fn by_procfs() -> Self {
        Self {
            scanner: Scanner::Unwanted,
            ..Self::default()
        }
    }

    /// Leaves out the calling process, as a tool may hold links only to look at them.
    #[must_use]
    pub fn without_caller(self) -> Self {
        Self {
            without: Some(std::process::id()),
            ..self
        }
    }

    /// Looks at all processes.
    ///
    /// The first look loads the program that the iterator needs, which takes a few milliseconds. If
    /// the iterator fails, the look falls back to procfs. [`unread`](Self::unread) says what could
    /// not be read, and [`no_iterator`](Self::no_iterator) why procfs was read.
    ///
    /// # Kernel
    ///
    /// That of [`LinkFileScanner::read`]; or for each process `getdents64(2)` of its descriptors,
    /// `readlink(2)` for each of them, and `open(2)` and `read(2)` for each that is a link.
    pub fn refresh(&mut self) {
        if self.scanner.is_to_be_loaded() {
            self.scanner = Scanner::load();
        }
        self.found.clear();
        self.failed = None;
        self.unread = None;
        let mut method = HolderMethod::Procfs;
        if let Scanner::Loaded(scanner) = &self.scanner {
            self.buf.resize(LinkFileScanner::BUFFER, 0);
            match scan(scanner, &mut self.buf, &mut self.found) {
                Ok(()) => method = HolderMethod::Iterator,
                Err(error) => {
                    self.found.clear();
                    self.failed = Some(NoIterator::Failed(error));
                }
            }
        }
        if method == HolderMethod::Procfs {
            let Found { holders, unread } = procfs::find();
            self.found = holders;
            self.unread = unread;
        }
        self.method = Some(method);
        if let Some(pid) = self.without {
            self.found.retain(|holder| holder.pid() != pid);
        }
        self.found.sort_unstable();
        // A process that has a link open twice holds it once.
        self.found
            .dedup_by_key(|holder| (holder.link(), holder.pid()));
    }

    /// Who held this link at the last look, in the order of their process ids.
    #[must_use]
    pub fn of(&self, id: LinkId) -> &[Holder] {
        let start = self.found.partition_point(|holder| holder.link() < id);
        let found = self.found.get(start..).unwrap_or_default();
        let len = found.partition_point(|holder| holder.link() == id);
        found.get(..len).unwrap_or_default()
    }

    /// All links with a holder, and their holders, as of the last look: by link, and for each link
    /// by process.
    pub fn iter(&self) -> std::slice::Iter<'_, Holder> {
        self.found.iter()
    }

    /// How the last look was taken; `None` before the first.
    #[must_use]
    pub fn method(&self) -> Option<HolderMethod> {
        self.method
    }

    /// Why the last look did not use the kernel's iterator, if it was to and did not.
    #[must_use]
    pub fn no_iterator(&self) -> Option<&NoIterator> {
        match &self.scanner {
            Scanner::No(why) => Some(why),
            Scanner::Loaded(_) | Scanner::Untried | Scanner::Unwanted => self.failed.as_ref(),
        }
    }

    /// The link that this holds for the kernel's iterator, if it does: to leave it out of a list of
    /// all links.
    #[must_use]
    pub fn own_link(&self) -> Option<LinkId> {
        match &self.scanner {
            Scanner::Loaded(scanner) => Some(scanner.own_link()),
            Scanner::No(_) | Scanner::Untried | Scanner::Unwanted => None,
        }
    }

    /// What the last look could not read, so that holders may be missing.
    #[must_use]
    pub fn unread(&self) -> Option<&UnreadHolders> {
        self.unread.as_ref()
    }
}

impl<'a> IntoIterator for &'a Holders {
    type Item = &'a Holder;
    type IntoIter = std::slice::Iter<'a, Holder>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn scan(
    scanner: &LinkFileScanner,
    buf: &mut [u8],
    holders: &mut Vec<Holder>,
) -> bpf_link::Result<()> {
    for file in scanner.read(buf)? {
        let file = file?;
        holders.push(Holder::new(
            file.link_id(),
            file.pid(),
            file.comm().to_bytes(),
        ));
    }
    Ok(())
}

fn is_in_the_first_pid_namespace() -> io::Result<bool> {
    /// `PROC_PID_INIT_INO`
    const FIRST: u64 = 0xefff_fffc;
    Ok(fs::metadata("/proc/self/ns/pid")?.ino() == FIRST)
}
