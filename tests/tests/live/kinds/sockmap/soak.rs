//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Hook, Map, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    let map = Map::sockmap(2)?;
    let load = || Program::passing(Hook::SK_MSG_VERDICT);
    Place::new(LinkKind::Sockmap, load, move |object| {
        let request = request(object, Hook::SK_MSG_VERDICT).target_fd(&map);
        Ok(RawLink::create(&request)?)
    })
}
