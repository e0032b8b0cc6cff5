//! What is shown of a tracing link.

use bpf_link_typed::TracingInfo;
use bpf_link_typed::inspect::{LinkDescription, TracingTarget};

use crate::text::{UNKNOWN, lossy, with_name};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &TracingInfo) -> String {
    let target = link.names.tracing_target(info);
    let target = target.as_ref().map_or_else(
        || match (info.target_obj_id, info.target_btf_id) {
            (Some(object), Some(id)) => format!("BTF type {id} of object {object}"),
            _ => UNKNOWN.to_owned(),
        },
        |target| tracing_target(link, target),
    );
    format!("{} {target}", info.attach_type)
}

fn tracing_target(link: &LinkDescription<'_>, target: &TracingTarget) -> String {
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
                    let name = link.names.program_name(program.id);
                    let program = with_name(program.id.get(), name.map(|name| lossy(&name)));
                    format!("{function} of program {program}")
                }
                None => format!("{function} of a program"),
            }
        }
        _ => UNKNOWN.to_owned(),
    }
}
