//! Checks that the kernel took an iterator for that of one thread.

use std::io;

use crate::args::{CreateArgs, IterArgs, IterTask, LinkCreate};
use crate::error::{Error, Result};
use crate::link::RawLink;
use crate::sys::layout::{Field, field};

const TID: Field<u32> = field!(iter.cgroup_union.task.tid);

/// Refuses a thread's iterator on a kernel that ignored the thread and iterates over all of them:
/// the info of such a kernel has no thread either.
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
