//! A network device that a program is to be attached to.

use bpf_link::{AttachType, Hook, HookPrograms};

use crate::attach::interface::Interface;
use crate::attach::looked_up::LookedUp;
use crate::attach::netns::Netns;
use crate::attach::netns::within::Within;
use crate::error::Result;

/// A network device, whose index is looked up in each attempt to attach or once for all attempts of
/// a run.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) interface: Interface,
    index: LookedUp<u32>,
    within: Within,
}

impl Device {
    pub(crate) fn new(interface: Interface) -> Self {
        Self {
            index: LookedUp::default(),
            within: Within::new(interface.netns().cloned()),
            interface,
        }
    }

    /// In another network namespace.
    pub(crate) fn in_netns(self, netns: impl Into<Netns>) -> Self {
        Self::new(self.interface.in_netns(netns))
    }

    /// See [`Recipe::for_one_run`](crate::ensure::Recipe::for_one_run).
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            interface: self.interface.clone(),
            index: LookedUp::once(),
            within: self.within.for_one_run(),
        }
    }

    pub(crate) fn index(&self) -> Result<u32> {
        self.index.get(|| {
            let index = self.inside(|| self.interface.there().index());
            index.map_err(|error| self.interface.refused(error))
        })
    }

    /// Asks which programs this hook of it has.
    pub(crate) fn query(&self, attach_type: AttachType) -> Result<HookPrograms> {
        let programs = self.inside(|| {
            let ifindex = self.index.get(|| self.interface.there().index())?;
            Ok(Hook::of_device(attach_type, ifindex).query()?)
        });
        programs.map_err(|error| self.interface.refused(error))
    }

    /// Does something in its network namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.within.inside(work)
    }
}
