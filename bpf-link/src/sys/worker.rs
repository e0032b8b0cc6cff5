//! A thread that does work for others, which may borrow from them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

/// The thread. It ends with this.
#[derive(Debug)]
pub(crate) struct Worker {
    /// `None` once it is to end.
    work: Option<Sender<Work<'static>>>,
    /// `None` once it has ended.
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, receiver) = channel::<Work<'static>>();
        let thread = thread::Builder::new().spawn(move || {
            for work in receiver {
                work();
            }
        })?;
        Ok(Self {
            work: Some(sender),
            thread: Some(thread),
        })
    }

    /// Does something on the thread, and waits for it. If the work panics, so does this.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let is_here = |thread: &JoinHandle<()>| thread.thread().id() == thread::current().id();
        if self.thread.as_ref().is_some_and(is_here) {
            // It would wait for itself.
            return work();
        }
        let mut answer = None;
        let place = &mut answer;
        let (end, ended) = channel::<()>();
        let work: Work<'_> = Box::new(move || {
            *place = Some(catch_unwind(AssertUnwindSafe(work)));
            drop(end);
        });
        // SAFETY: only the lifetime changes. What the work borrows outlives this call, and this
        // call ends only once `end` has been dropped: by the work, as the last thing that it does,
        // or with the work, below. The thread drops no work without doing it, and nothing in
        // between can panic.
        let work = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        let taken = self.work.as_ref().map(|sender| sender.send(work));
        drop(taken);
        let _ = ended.recv();
        match answer {
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => resume_unwind(panic),
            None => unreachable!("the thread takes work until this is dropped"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // The thread catches every panic, so this is no error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_borrows_and_returns() {
        let worker = Worker::start().expect("a thread");
        let mut text = String::from("a");
        let long = worker.run(|| {
            text.push('b');
            worker.run(|| text.push('c'));
            thread::current().id()
        });
        assert_eq!(text, "abc");
        assert_ne!(long, thread::current().id());
        assert_eq!(worker.run(|| thread::current().id()), long);
    }

    #[test]
    fn a_panic_comes_back_and_the_thread_goes_on() {
        let worker = Worker::start().expect("a thread");
        let panicked = catch_unwind(AssertUnwindSafe(|| worker.run(|| panic!("as it should"))));
        let panic = panicked.expect_err("it panicked");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"as it should"));
        assert_eq!(worker.run(|| 1), 1);
    }

    #[test]
    fn several_threads_use_one() {
        let worker = &Worker::start().expect("a thread");
        let sum: u32 = thread::scope(|scope| {
            let started: Vec<_> = (0..8)
                .map(|number| scope.spawn(move || worker.run(|| number)))
                .collect();
            let ended = started.into_iter().map(thread::ScopedJoinHandle::join);
            ended.map(|number| number.expect("no panic")).sum()
        });
        assert_eq!(sum, 28);
    }
}
