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
    /// The size of a buffer from which on a larger one makes no difference.
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
    ///   left, which may be otherwise at another time ([`IterRefusal::is_passing`]).
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
            Err(refusal) if !refusal.is_passing() => load(&plan, Method::ProbeRead),
            loaded => loaded,
        }
        .map(|loaded| Self { loaded })
    }

    /// Looks at the files of all threads that are in the caller's PID namespace or below it. The
    /// buffer is for what the kernel writes, and may be of any size: [`BUFFER`](Self::BUFFER) is as
    /// good as any larger one.
    ///
    /// Every table of descriptors is looked at: that of a process, those of its threads that have
    /// their own, and that of the threads that live on after the first has ended. Threads that
    /// share a table may each be met, except that the others are left out where the first thread
    /// shares it. A descriptor that is open from the start to the end is met at least once.
    ///
    /// What is a link's file is told by the name that the kernel gives it in its file system of
    /// anonymous inodes. No process can give a file such a name there: there is no path to that
    /// file system, and no file in it has a name that came from a process.
    ///
    /// Files that nobody has a descriptor of, such as those on their way in a socket, are not met.
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
            run: Some(Run::new(self.loaded.link.create_iter()?, buf)),
            own: self.loaded.id,
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
    own: LinkId,
}

impl Iterator for LinkFiles<'_> {
    type Item = Result<LinkFile>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.run.as_mut()?.next() {
                Ok(Some(record)) => {
                    // A link that is still being attached has no id yet.
                    let file = LinkFile::new(record);
                    if let Some(file) = file.filter(|file| file.link_id() != self.own) {
                        return Some(Ok(file));
                    }
                }
                ended => {
                    self.run = None;
                    return ended.err().map(Err);
                }
            }
        }
    }
}

impl FusedIterator for LinkFiles<'_> {}
