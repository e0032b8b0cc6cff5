//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink, RawTracepointOpen};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::soak::places::Place;

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::RAW_TRACEPOINT);
    Place::new(LinkKind::RawTracepoint, load, |object| {
        let request = RawTracepointOpen::named(object, c"sched_process_fork")?;
        Ok(RawLink::open_raw_tracepoint(&request)?)
    })
}
