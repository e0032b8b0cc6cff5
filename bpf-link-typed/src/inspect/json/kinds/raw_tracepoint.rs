//! The keys of a `raw_tracepoint` link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::{entry, name_if_any};
use crate::kinds::RawTracepointInfoRef;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    _link: &LinkDescription<'_>,
    info: &RawTracepointInfoRef<'_>,
) -> Result<(), M::Error> {
    name_if_any(map, "tp_name", info.name)?;
    entry(map, "cookie", info.cookie)
}
