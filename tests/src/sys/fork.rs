//! A process that is forked without `execve(2)`, and so has a copy of everything.

use std::io;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

/// A forked process. Dropping it kills it.
#[derive(Debug)]
pub struct Forked(Pid);

/// Forks a process that does this and ends. Of this process it has the calling thread only: what it
/// does must not wait for another thread, such as one that is taking memory from the heap.
///
/// # Errors
///
/// `EAGAIN`, `ENOMEM`: there cannot be another process.
pub fn fork(child: &mut dyn FnMut()) -> io::Result<Forked> {
    // SAFETY: `fork` has no argument. The new process runs `child`, which keeps to what a process
    // of one thread may do, says the caller, and ends without returning.
    let forked = unsafe { libc::fork() };
    match Pid::from_raw(forked) {
        Some(_) if forked < 0 => Err(io::Error::last_os_error()),
        Some(pid) => Ok(Forked(pid)),
        None => {
            child();
            // SAFETY: `_exit` takes a number, and does not return.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Waits for a signal that ends this process.
pub fn pause_for_ever() {
    loop {
        // SAFETY: `pause` has no argument.
        unsafe { libc::pause() };
    }
}

impl Forked {
    /// Its id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// `ECHILD`: something else has waited for it.
    pub fn wait(self) -> io::Result<WaitStatus> {
        let pid = self.0;
        std::mem::forget(self);
        let ended = waitpid(Some(pid), WaitOptions::empty())?;
        ended
            .map(|(_, status)| status)
            .ok_or_else(|| io::Error::other("it has not ended"))
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill_process(self.0, Signal::KILL);
        let _ = waitpid(Some(self.0), WaitOptions::empty());
    }
}
