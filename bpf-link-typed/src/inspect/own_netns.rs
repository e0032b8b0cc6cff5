//! The network namespace of the calling thread.

use std::fs::File;

/// The inode of the calling thread's network namespace; `None` if procfs does not tell.
pub(super) fn own_netns() -> Option<u64> {
    let file = File::open("/proc/thread-self/ns/net").ok()?;
    bpf_link::netns_inode(&file).ok()?
}
