//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let cgroup = sandbox.new_cgroup(&format!("soak{thread}"))?;
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    Place::new(LinkKind::Cgroup, load, move |object| {
        let request = request(object, Hook::CGROUP_EGRESS).target_fd(&cgroup);
        Ok(RawLink::create(&request)?)
    })
}
