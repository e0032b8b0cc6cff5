//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{AttachType, LinkCreate, LinkKind, RawLink};
use bpf_link_tests::{Hook, PerfEvent, Program, Sandbox};

use crate::soak::places::Place;

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::PERF_EVENT);
    Place::new(LinkKind::PerfEvent, load, |object| {
        let event = PerfEvent::page_fault()?;
        let request = LinkCreate::new(object, AttachType::PerfEvent).target_fd(&event);
        Ok(RawLink::create(&request)?)
    })
}
