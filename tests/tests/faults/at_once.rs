//! Work that is done several times at once, as most of it is to wait for the kernel.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use bpf_link_tests::tests_at_a_time;

/// Does the work for each item, and gives back what came of it in the order of the items, or the
/// first error.
pub(crate) fn at_once<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else {
                return done;
            };
            done.push((number, work(item)));
        }
    };
    let mut done = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..tests_at_a_time())
            .map(|_| scope.spawn(worker))
            .collect();
        for worker in workers {
            let Ok(own) = worker.join() else {
                bail!("it panicked");
            };
            done.extend(own);
        }
        Ok(())
    })?;
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
