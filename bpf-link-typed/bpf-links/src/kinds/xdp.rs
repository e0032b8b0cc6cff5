//! What is shown of an xdp link.

use bpf_link_typed::XdpInfo;
use serde::ser::SerializeMap;

use super::device;
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    _info: &XdpInfo,
) -> Result<(), M::Error> {
    device::keys(map, view)
}

pub(super) fn attached_to(view: &View<'_>, _info: &XdpInfo) -> String {
    device::words(view)
}
