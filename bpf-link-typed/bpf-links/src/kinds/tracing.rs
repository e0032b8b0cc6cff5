//! What is shown of a tracing link.

use bpf_link_typed::TracingInfo;
use bpf_link_typed::inspect::TracingTarget;
use serde::ser::SerializeMap;

use crate::json::values::{NameOrNumber, entry};
use crate::text::{UNKNOWN, lossy, with_name};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &TracingInfo,
) -> Result<(), M::Error> {
    let program = info.program_id.and_then(|id| view.names.program(id));
    let program_type = program.map(|program| program.program_type);
    entry(
        map,
        "prog_type",
        program_type.map(|program_type| NameOrNumber(program_type.name(), program_type.as_raw())),
    )?;
    map.serialize_entry(
        "attach_type",
        &NameOrNumber::from(info.attach_type.attach_type()),
    )?;
    entry(map, "target_obj_id", info.target_obj_id)?;
    entry(map, "target_btf_id", info.target_btf_id.map(u32::from))?;
    entry(map, "cookie", info.cookie)
}

pub(super) fn attached_to(view: &View<'_>, info: &TracingInfo) -> String {
    let target = view.names.tracing_target(info);
    let target = target.as_ref().map_or_else(
        || match (info.target_obj_id, info.target_btf_id) {
            (Some(object), Some(id)) => format!("BTF type {id} of object {object}"),
            _ => UNKNOWN.to_owned(),
        },
        |target| tracing_target(view, target),
    );
    format!("{} {target}", info.attach_type)
}

fn tracing_target(view: &View<'_>, target: &TracingTarget) -> String {
    match target {
        TracingTarget::Kernel(function) => match &function.module {
            Some(module) => format!("{} [{module}]", function.name),
            None => function.name.clone(),
        },
        TracingTarget::Program { program, function } => {
            let function = function
                .as_ref()
                .map_or(UNKNOWN, |function| function.name.as_str());
            match program {
                Some(program) => {
                    let name = view.names.program_name(program.id);
                    let program = with_name(program.id.get(), name.map(|name| lossy(&name)));
                    format!("{function} of program {program}")
                }
                None => format!("{function} of a program"),
            }
        }
        _ => UNKNOWN.to_owned(),
    }
}
