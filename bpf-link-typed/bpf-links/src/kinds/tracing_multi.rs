//! What is shown of a `tracing_multi` link.

use bpf_link_typed::TracingMultiInfoRef;
use serde::ser::SerializeMap;

use crate::json::functions::TracingFunctions;
use crate::json::values::{NameOrNumber, entry};
use crate::text::{NAMED, functions};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &TracingMultiInfoRef<'_>,
) -> Result<(), M::Error> {
    entry(map, "attach_type", info.attach_type.map(NameOrNumber::from))?;
    entry(map, "func_cnt", info.count)?;
    entry(map, "btf_obj_id", info.btf_obj_id.map(u32::from))?;
    entry(
        map,
        "funcs",
        info.count.map(|_| TracingFunctions { view, info }),
    )
}

pub(super) fn attached_to(view: &View<'_>, info: &TracingMultiInfoRef<'_>) -> String {
    let ids = info.ids.unwrap_or_default().iter().take(NAMED);
    let names = ids.map(|id| {
        let function = info
            .btf_obj_id
            .and_then(|object| view.names.btf_function(object, *id));
        function.map_or_else(|| format!("BTF type {id}"), |function| function.name)
    });
    let functions = functions(info.count, false, names.collect());
    match info.attach_type {
        Some(attach_type) => format!("{attach_type} {functions}"),
        None => functions,
    }
}
