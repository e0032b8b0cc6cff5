//! A network device that a program is to be attached to.

use crate::attach::interface::Interface;
use crate::attach::looked_up::LookedUp;
use crate::attach::netns::Netns;
use crate::error::Result;

/// A network device, whose index is looked up in each attempt to attach or once for all attempts of
/// a run.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) interface: Interface,
    index: LookedUp<u32>,
}

impl Device {
    pub(crate) fn new(interface: Interface) -> Self {
        Self {
            interface,
            index: LookedUp::default(),
        }
    }

    /// In another network namespace.
    pub(crate) fn in_netns(self, netns: impl Into<Netns>) -> Self {
        Self::new(self.interface.in_netns(netns))
    }

    /// See [`Recipe::for_one_run`](crate::ensure::Recipe::for_one_run).
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            index: LookedUp::once(),
            ..self.clone()
        }
    }

    pub(crate) fn index(&self) -> Result<u32> {
        self.index.get(|| self.interface.index())
    }
}
