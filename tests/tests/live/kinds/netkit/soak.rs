//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let device = Device::create(DeviceKind::Netkit, &format!("kit{thread}"))?;
    let load = || Program::passing(Hook::NETKIT_PRIMARY);
    Place::new(LinkKind::Netkit, load, move |object| {
        let request = request(object, Hook::NETKIT_PRIMARY).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    })
}
