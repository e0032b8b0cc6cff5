//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Hook, Netns, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let netns = Netns::current()?;
    let load = || Program::passing(Hook::SK_LOOKUP);
    Place::new(LinkKind::Netns, load, move |object| {
        let request = request(object, Hook::SK_LOOKUP).target_fd(&netns);
        Ok(RawLink::create(&request)?)
    })
}
