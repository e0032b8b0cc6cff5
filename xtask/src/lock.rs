//! One task at a time in one directory, as each writes there.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Waits until no other task uses the directory. The kernel gives the lock back when the file is
/// closed, whatever becomes of the task.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            eprintln!("waiting for another task in {}", dir.display());
            flock(&file, FlockOperation::LockExclusive)?;
        }
        result => result?,
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_one_tasks() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("bpf-link-lock-{}", std::process::id()));
        let held = lock(&dir)?;
        let other = File::open(dir.join("lock"))?;
        let taken = flock(&other, FlockOperation::NonBlockingLockExclusive);
        drop(held);
        let free = flock(&other, FlockOperation::NonBlockingLockExclusive);
        fs::remove_dir_all(dir)?;
        assert_eq!((taken, free), (Err(Errno::WOULDBLOCK), Ok(())));
        Ok(())
    }
}
