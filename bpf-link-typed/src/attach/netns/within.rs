//! The network namespace that something is attached in.

use std::sync::Arc;

use bpf_link::NetnsThread;

use crate::attach::looked_up::LookedUp;
use crate::attach::netns::Netns;
use crate::error::Result;

/// The network namespace of the calling thread, or another one, which a thread enters in each
/// attempt to attach or once for all attempts of a run. So in a run, nothing that could fail comes
/// between an old program and the new one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within {
    pub(crate) netns: Option<Netns>,
    thread: LookedUp<Arc<NetnsThread>>,
}

impl Within {
    pub(crate) fn new(netns: Option<Netns>) -> Self {
        Self {
            netns,
            thread: LookedUp::default(),
        }
    }

    /// See [`Recipe::for_one_run`](crate::ensure::Recipe::for_one_run).
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            netns: self.netns.clone(),
            thread: LookedUp::once(),
        }
    }

    /// Does something there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match &self.netns {
            None => work(),
            Some(netns) => {
                let thread = self.thread.get(|| netns.enter().map(Arc::new))?;
                thread.run(work)
            }
        }
    }
}
