//! The open files of links in all processes at once, by an iterator of the kernel over files.

mod entry;
mod plan;
mod program;
mod record;

use std::iter::FusedIterator;

use crate::error::Result;
use crate::id::LinkId;
use crate::iter_program::load::Loaded;
use crate::iter_program::look::without_cast;
use crate::iter_program::refusal::IterRefusal;
use crate::iter_program::run::Run;
use plan::Plan;
use program::{Method, assemble};
use record::Record;

pub use entry::LinkFile;

/// Finds the processes that have links open, in a tenth of the time that procfs takes.
///
/// It holds a link of its own, for a program that runs only when the files are read. That link is
/// left out of the results, and is closed when this is dropped.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let scanner = bpf_link::LinkFileScanner::load()?;
/// let mut buf = vec![0; bpf_link::LinkFileScanner::BUFFER];
/// for file in scanner.read(&mut buf)? {
///     let file = file?;
///     println!("{} has link {} as {}", file.pid(), file.link_id(), file.fd());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LinkFileScanner {
    loaded: Loaded,
}

impl LinkFileScanner {
    /// A good buffer size: a larger buffer is not faster.
    pub const BUFFER: usize = 32 << 10;

    /// Finds out where this kernel has what is needed, and loads the program that reads it.
    ///
    /// It takes some milliseconds, so keep it.
    ///
    /// # Errors
    ///
    /// [`IterRefusal::error`] is
    ///
    /// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///   `CAP_BPF` or `CAP_PERFMON`. The two are enough, and so is `CAP_SYS_ADMIN`. Before
    ///   Linux 6.2, `lockdown=confidentiality` forbids it to everybody.
    /// - [`Error::UnsupportedByKernel`](crate::Error::UnsupportedByKernel): this kernel was built
    ///   without BTF (`ENOENT`), its BTF has a format that this release does not know or lacks a
    ///   field that is needed (no errno), or its verifier refuses the program (`EACCES`,
    ///   `EINVAL`).
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left; a later attempt may succeed ([`IterRefusal::is_transient`]).
    ///
    /// # Kernel
    ///
    /// Iterators over files since Linux 5.8 (`bpf_iter_task_file`), with the kernel's own BTF in
    /// `/sys/kernel/btf/vmlinux`. Nothing is compiled, and nothing depends on the kernel's version:
    /// each field is looked for by its name.
    pub fn load() -> Result<Self, IterRefusal> {
        let plan = Plan::read()?;
        // Without the function that casts need, they are refused before the kernel is asked.
        match load(&plan, Method::TypedCast) {
            Err(refusal) if !refusal.is_transient() => load(&plan, Method::ProbeRead),
            loaded => loaded,
        }
        .map(|loaded| Self { loaded })
    }

    /// The id of the link that this holds: to leave it out of a list of all links.
    #[must_use]
    pub fn own_link(&self) -> LinkId {
        self.loaded.id
    }

    /// Looks at the files of all threads that are in the caller's PID namespace or below it. The
    /// buffer is for what the kernel writes, and may be of any size: [`BUFFER`](Self::BUFFER) is as
    /// good as any larger one.
    ///
    /// Every table of descriptors is read: that of each process, those of threads with their own,
    /// and those that other threads keep after the first has ended. A descriptor that is open from
    /// start to end is reported at least once, and possibly once for each thread that shares its
    /// table. Threads that share the first thread's table are skipped.
    ///
    /// A link's file is recognised by the name that the kernel gives it in its file system of
    /// anonymous inodes. A process cannot choose a name there.
    ///
    /// A link that is only in transit over a socket has no descriptor, and is not found.
    ///
    /// # Errors
    ///
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left.
    ///
    /// If the kernel refuses to go on, the last item is an error.
    ///
    /// # Kernel
    ///
    /// `BPF_ITER_CREATE`, which ends in `bpf_iter_new_fd`, and `read(2)`, in `bpf_seq_read` (7.3).
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Result<LinkFiles<'a>> {
        Ok(LinkFiles {
            run: Some(Run::new(&self.loaded, buf)?),
        })
    }
}

fn load(plan: &Plan, method: Method) -> Result<Loaded, IterRefusal> {
    let instructions = assemble(plan, method).ok_or_else(without_cast)?;
    Loaded::new(*b"bpf_link_files\0\0", plan.target, &instructions)
}

/// The open files of links, in the order of their threads.
///
/// See [`LinkFileScanner::read`].
#[derive(Debug)]
pub struct LinkFiles<'a> {
    /// `None` after the last.
    run: Option<Run<'a, Record>>,
}

impl Iterator for LinkFiles<'_> {
    type Item = Result<LinkFile>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.run.as_mut()?.next() {
            Ok(Some((link, record))) => Some(Ok(LinkFile::new(link, record))),
            ended => {
                self.run = None;
                ended.err().map(Err)
            }
        }
    }
}

impl FusedIterator for LinkFiles<'_> {}
