//! What is shown of a `tracing_multi` link.

use bpf_link_typed::TracingMultiInfoRef;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::{NAMED, functions};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &TracingMultiInfoRef<'_>) -> String {
    let ids = info.ids.unwrap_or_default().iter().take(NAMED);
    let names = ids.map(|id| {
        let function = info
            .btf_obj_id
            .and_then(|object| link.names.btf_function(object, *id));
        function.map_or_else(|| format!("BTF type {id}"), |function| function.name)
    });
    let functions = functions(info.count, false, names.collect());
    match info.attach_type {
        Some(attach_type) => format!("{attach_type} {functions}"),
        None => functions,
    }
}
