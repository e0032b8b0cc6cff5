//! The network namespace that something is attached in.

use std::fs::File;
use std::sync::Arc;

use crate::attach::looked_up::LookedUp;
use crate::attach::netns::Netns;
use crate::error::Result;

/// The network namespace of the calling thread, or another one, whose file is opened in each
/// attempt to attach or once for all attempts of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within {
    pub(crate) netns: Option<Netns>,
    file: LookedUp<Arc<File>>,
}

impl Within {
    pub(crate) fn new(netns: Option<Netns>) -> Self {
        Self {
            netns,
            file: LookedUp::default(),
        }
    }

    /// See [`Recipe::for_one_run`](crate::ensure::Recipe::for_one_run).
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            netns: self.netns.clone(),
            file: LookedUp::once(),
        }
    }

    /// Does something there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match &self.netns {
            None => work(),
            Some(Netns::Path(path)) => {
                let file = self.file.get(|| Netns::open(path).map(Arc::new))?;
                Netns::inside_file(path, &*file, work)?
            }
            Some(netns) => netns.inside(work),
        }
    }
}
