//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink, RawTracepointOpen};
use bpf_link_tests::{Hook, Loader, Sandbox};

use crate::harness::Need;
use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || {
        let loader = Loader::new(Hook::FENTRY).function("bpf_fentry_test1")?;
        loader.passing()
    };
    Place::new(LinkKind::Tracing, load, |object| {
        if Need::Before(5, 19).missing()?.is_none() {
            let request = RawTracepointOpen::load_time_target(object);
            return Ok(RawLink::open_raw_tracepoint(&request)?);
        }
        Ok(RawLink::create(&request(object, Hook::FENTRY))?)
    })
}
