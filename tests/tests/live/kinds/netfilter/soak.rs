//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, NetfilterArgs, RawLink};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV4};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let priority = i32::try_from(thread)?;
    let load = || Program::passing(Hook::NETFILTER);
    Place::new(LinkKind::Netfilter, load, move |object| {
        let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, priority);
        let request = request(object, Hook::NETFILTER).args(args);
        Ok(RawLink::create(&request)?)
    })
}
