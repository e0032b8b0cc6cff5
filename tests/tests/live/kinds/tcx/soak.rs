//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Device, DeviceKind, Hook, Program, Sandbox};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let device = Device::create(DeviceKind::Veth, &format!("tcx{thread}"))?;
    let load = || Program::passing(Hook::TCX_INGRESS);
    Place::new(LinkKind::Tcx, load, move |object| {
        let request = request(object, Hook::TCX_INGRESS).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    })
}
