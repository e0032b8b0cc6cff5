//! A look at all links of this machine at once, by an iterator of the kernel over them.

mod entry;
mod field;
mod method;
mod plan;
mod program;
mod record;

use std::iter::FusedIterator;

use crate::error::Result;
use crate::iter_program::load::Loaded;
use crate::iter_program::look::without_cast;
use crate::iter_program::refusal::IterRefusal;
use crate::iter_program::run::Run;
use crate::kind::LinkKind;
use crate::walk::{Links, links};
use field::Fields;
use plan::Plan;
use program::assemble;
use record::Record;

pub use entry::SnapshotEntry;
pub use method::{SnapshotMethod, SnapshotRefusal};

/// Looks at all links of this machine at once: ids, kinds, programs, and most of what is particular
/// to each kind, in a tenth of the time of a walk.
///
/// It holds a link of its own, for a program that runs only when the links are read. That link is
/// in no snapshot, and is closed when this is dropped.
///
/// ```no_run
/// # fn example() -> bpf_link::Result<()> {
/// let snapshotter = bpf_link::Snapshotter::load()?;
/// let mut buf = vec![0; bpf_link::Snapshotter::BUFFER];
/// for link in snapshotter.read(&mut buf)? {
///     let link = link?;
///     println!("{} {} {:?}", link.id(), link.kind(), link.program_id());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Snapshotter {
    /// `None` for a walk.
    loaded: Option<Loaded>,
    method: SnapshotMethod,
    known: Known,
    refusals: Vec<SnapshotRefusal>,
}

/// What is known of the links of each kind, by its number.
type Known = [Fields; LinkKind::KNOWN.len() + 1];

impl Snapshotter {
    /// A good buffer size: a larger buffer is not faster.
    pub const BUFFER: usize = 32 << 10;

    /// Finds out where this kernel has what a snapshot tells, and loads the program that reads it:
    /// the best that this kernel, this machine and this caller allow. Without any, snapshots are
    /// walks: [`method`](Self::method) and [`refusals`](Self::refusals) tell.
    ///
    /// It takes some milliseconds, so keep it.
    ///
    /// # Errors
    ///
    /// Those that may be others at another time:
    ///
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left.
    ///
    /// What is refused for good is among the refusals:
    ///
    /// - [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///   `CAP_BPF` or `CAP_PERFMON`. The two are enough, and so is `CAP_SYS_ADMIN`.
    /// - [`Error::UnsupportedByKernel`](crate::Error::UnsupportedByKernel): this kernel was built
    ///   without BTF or has no iterator over links (`ENOENT`), its BTF has a format that this
    ///   release does not know (no errno), or its verifier refuses the program (`EACCES`,
    ///   `EINVAL`).
    ///
    /// # Kernel
    ///
    /// Iterators over links since Linux 5.19 (`bpf_iter_bpf_link`), with the kernel's own BTF in
    /// `/sys/kernel/btf/vmlinux`. Nothing is compiled, and nothing depends on the kernel's version:
    /// each field is looked for by its name.
    pub fn load() -> Result<Self> {
        Self::load_at_most(SnapshotMethod::TypedCast)
    }

    /// As [`load`](Self::load), with this method or one that tells less.
    /// [`IdsOnly`](SnapshotMethod::IdsOnly) loads faster, and a [`Walk`](SnapshotMethod::Walk)
    /// loads nothing.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_at_most(best: SnapshotMethod) -> Result<Self> {
        const PROGRAMS: [SnapshotMethod; 3] = [
            SnapshotMethod::TypedCast,
            SnapshotMethod::ProbeRead,
            SnapshotMethod::IdsOnly,
        ];
        let mut walk = Self {
            loaded: None,
            method: SnapshotMethod::Walk,
            known: Known::default(),
            refusals: Vec::new(),
        };
        if best == SnapshotMethod::Walk {
            return Ok(walk);
        }
        let plan = match Plan::read() {
            Ok(plan) => plan,
            Err(error) => {
                walk.refuse(SnapshotRefusal::of_all(error))?;
                return Ok(walk);
            }
        };
        for method in PROGRAMS.into_iter().filter(|method| *method >= best) {
            match load(&plan, method) {
                Ok(loaded) => {
                    return Ok(Self {
                        loaded: Some(loaded),
                        method,
                        known: known(&plan, method),
                        ..walk
                    });
                }
                Err(refusal) => walk.refuse(SnapshotRefusal { method, refusal })?,
            }
        }
        Ok(walk)
    }

    /// Keeps a refusal, unless the next attempt may succeed.
    fn refuse(&mut self, refusal: SnapshotRefusal) -> Result<()> {
        if refusal.refusal.is_transient() {
            return Err(refusal.refusal.into());
        }
        self.refusals.push(refusal);
        Ok(())
    }

    /// How links are looked at.
    #[must_use]
    pub fn method(&self) -> SnapshotMethod {
        self.method
    }

    /// The methods that would have told more, and why each was refused, from the best on.
    #[must_use]
    pub fn refusals(&self) -> &[SnapshotRefusal] {
        &self.refusals
    }

    /// Looks at all links, in the order of their ids. The buffer is for what the kernel writes, and
    /// may be of any size: [`BUFFER`](Self::BUFFER) is as good as any larger one.
    ///
    /// A link that exists from the start to the end is met exactly once, whatever comes and goes
    /// meanwhile. One that is still being attached is left out. Several threads may read at the
    /// same time.
    ///
    /// # Errors
    ///
    /// - [`Error::Command`](crate::Error::Command) with `EMFILE`: the process has no descriptor
    ///   left.
    ///
    /// If the kernel refuses to go on, the last item is an error. In a walk, items are errors as
    /// those of [`Links`] are, such as
    /// [`Error::PermissionDenied`](crate::Error::PermissionDenied) (`EPERM`).
    ///
    /// # Kernel
    ///
    /// `BPF_ITER_CREATE`, which ends in `bpf_iter_new_fd`, and `read(2)`, in `bpf_seq_read` (7.3).
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Result<Snapshot<'a>> {
        let source = match &self.loaded {
            Some(loaded) => Source::Run(Run::new(loaded, buf)?),
            None => Source::Walk(links()),
        };
        Ok(Snapshot {
            source,
            known: &self.known,
        })
    }
}

fn load(plan: &Plan, method: SnapshotMethod) -> Result<Loaded, IterRefusal> {
    let instructions = assemble(plan, method).ok_or_else(without_cast)?;
    Loaded::new(*b"bpf_link_snap\0\0\0", plan.target, &instructions)
}

fn known(plan: &Plan, method: SnapshotMethod) -> Known {
    let mut known = Known::default();
    for (number, fields) in (0..).zip(&mut known) {
        *fields = match method {
            SnapshotMethod::IdsOnly => plan.common(),
            _ => plan.fields(LinkKind::from_raw(number)),
        };
    }
    known
}

/// One look at all links of this machine.
///
/// See [`Snapshotter::read`].
#[derive(Debug)]
pub struct Snapshot<'a> {
    source: Source<'a>,
    known: &'a Known,
}

#[derive(Debug)]
enum Source<'a> {
    Run(Run<'a, Record>),
    Walk(Links),
    Ended,
}

impl Iterator for Snapshot<'_> {
    type Item = Result<SnapshotEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Run(run) => match run.next() {
                Ok(Some((id, record))) => {
                    let known = self.known.get(record.kind as usize);
                    let known = known.copied().unwrap_or_default();
                    Some(Ok(SnapshotEntry::new(id, record, known)))
                }
                ended => {
                    self.source = Source::Ended;
                    ended.err().map(Err)
                }
            },
            Source::Walk(links) => {
                let info = links.next()?.and_then(|link| link.info());
                Some(info.map(|info| {
                    let program = info.program_id().map_or(0, u32::from);
                    let record = Record::of(info.id().get(), info.kind().as_raw(), program);
                    SnapshotEntry::new(info.id(), record, Fields::default())
                }))
            }
            Source::Ended => None,
        }
    }
}

impl FusedIterator for Snapshot<'_> {}
