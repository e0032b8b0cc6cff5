//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{KprobeMultiArgs, LinkKind, RawLink};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let load = || Program::passing(Hook::KPROBE_MULTI);
    Place::new(LinkKind::KprobeMulti, load, |object| {
        let args = KprobeMultiArgs::symbols(&[c"bpf_fentry_test1", c"bpf_fentry_test2"]);
        let request = request(object, Hook::KPROBE_MULTI).args(args);
        Ok(RawLink::create(&request)?)
    })
}
