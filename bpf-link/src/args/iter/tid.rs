//! Whether this kernel has understood that an iterator is for one thread.

use std::io;

use crate::args::{CreateArgs, IterArgs, IterTask, LinkCreate};
use crate::error::{Error, Result};
use crate::link::RawLink;
use crate::sys::layout::{Field, field};

const TID: Field<u32> = field!(iter.cgroup_union.task.tid);

/// Refuses a thread's iterator on a kernel that has taken it for an iterator over every thread:
/// such a kernel has no thread in its info either.
pub(crate) fn check(request: &LinkCreate<'_>, link: &RawLink) -> Result<()> {
    if !matches!(
        request.args,
        CreateArgs::Iter(IterArgs::Task(IterTask::Tid(_)))
    ) {
        return Ok(());
    }
    if link.info()?.as_bytes().len() >= TID.end() {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::Unsupported, "the thread was ignored");
    Err(Error::UnsupportedByKernel(request.error(source)))
}
