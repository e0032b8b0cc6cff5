//! The keys of an xdp link.

use serde::ser::SerializeMap;

use super::device;
use crate::inspect::description::LinkDescription;
use crate::kinds::XdpInfo;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    _info: &XdpInfo,
) -> Result<(), M::Error> {
    device::keys(map, link)
}
