//! What is shown of a `raw_tracepoint` link.

use bpf_link_typed::RawTracepointInfoRef;
use serde::ser::SerializeMap;

use crate::json::values::{entry, name_if_any};
use crate::text::{lossy, or_unknown};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _view: &View<'_>,
    info: &RawTracepointInfoRef<'_>,
) -> Result<(), M::Error> {
    name_if_any(map, "tp_name", info.name)?;
    entry(map, "cookie", info.cookie)
}

pub(super) fn attached_to(_view: &View<'_>, info: &RawTracepointInfoRef<'_>) -> String {
    or_unknown(info.name.map(lossy))
}
