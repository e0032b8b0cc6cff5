//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::{Context as _, Result};
use bpf_link::{BtfTypeId, LinkKind, RawLink, TracingMultiArgs};
use bpf_link_tests::{Hook, KernelBtf, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let mut ids = Vec::new();
    for name in ["bpf_fentry_test1", "bpf_fentry_test2"] {
        let id = KernelBtf::get()?.function(name)?.context(name)?;
        ids.push(BtfTypeId::new(id).context("an id of 0")?);
    }
    let load = || Program::passing(Hook::FENTRY_MULTI);
    Place::new(LinkKind::TracingMulti, load, move |object| {
        let args = TracingMultiArgs::new(&ids);
        let request = request(object, Hook::FENTRY_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}
