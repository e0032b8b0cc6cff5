//! A link as JSON: the keys and values of `bpftool -j link show`, in its order, and then ours.
//!
//! What the kernel does not report is left out, with two exceptions. Where a link is detached,
//! `cgroup_id`, `ifindex`, `map_id` and `netns_ino` are 0, as in bpftool. Where a probed function
//! has no name that we know, `func` is null.
//!
//! After bpftool's keys come `defunct`, if the kernel tells whether the link has lost its hook, and
//! names for the ids and indices in a link: `prog_name`, `prog_tag`, `map_name`, `cgroup_path`,
//! `pf_name`, `hook_name`; and for a tracing link, `func` with `module`, or with `target_prog_name`
//! if it is a function of a program. The `funcs` of a `tracing_multi` link have `func` and
//! `module`, too.
//!
//! JSON strings are text. A name that is not UTF-8 has replacement characters there, and its bytes
//! in hex under a second key that ends in `_bytes`.

pub(crate) mod escape;
pub(crate) mod functions;
pub(crate) mod values;

use std::os::unix::ffi::OsStrExt as _;

use bpf_link_typed::inspect::TracingTarget;
use bpf_link_typed::{IterTarget, LinkInfoRef};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::kinds;
use crate::view::View;
use values::{Each, NameOrNumber, Pid, entry, name, paths};

pub(crate) struct LinkJson<'a>(pub(crate) &'a View<'a>);

impl Serialize for LinkJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let info = &view.info;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &info.id().get())?;
        let kind = info.kind();
        map.serialize_entry("type", &NameOrNumber(kind.name(), kind.as_raw()))?;
        if let Some(program) = info.program_id() {
            map.serialize_entry("prog_id", &program.get())?;
        }
        kinds::keys(&mut map, view)?;
        if let Some(pinned) = view.pinned {
            paths(&mut map, "pinned", pinned)?;
        }
        if let Some(holders) = view.holders {
            map.serialize_entry("pids", &Each(|| holders.iter().map(Pid)))?;
        }
        ours(&mut map, view)?;
        map.end()
    }
}

/// What bpftool has no keys for.
fn ours<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    let (info, names) = (&view.info, view.names);
    if let Some(is_defunct) = info.is_defunct() {
        map.serialize_entry("defunct", &is_defunct)?;
    }
    if let Some(id) = info.program_id() {
        if let Some(found) = names.program_name(id) {
            name(map, "prog_name", found.to_bytes())?;
        }
        if let Some(program) = names.program(id) {
            map.serialize_entry("prog_tag", &program.tag.to_string())?;
        }
    }
    let linked_map = match info {
        LinkInfoRef::StructOps(info) => info.map_id,
        LinkInfoRef::Sockmap(info) => info.map_id,
        LinkInfoRef::Iter(info) => match info.target {
            IterTarget::Map(id) => Some(id),
            _ => None,
        },
        _ => None,
    };
    if let Some(linked_map) = linked_map.and_then(|id| names.map(id)) {
        name(map, "map_name", linked_map.name.to_bytes())?;
    }
    if let Some(path) = view.cgroup().and_then(|id| names.cgroup(id)) {
        name(map, "cgroup_path", path.as_os_str().as_bytes())?;
    }
    match info {
        LinkInfoRef::Netfilter(info) => {
            entry(map, "pf_name", info.family.name())?;
            entry(map, "hook_name", info.hook.name_in(info.family))?;
        }
        LinkInfoRef::Tracing(info) => match names.tracing_target(info) {
            Some(TracingTarget::Kernel(function)) => {
                map.serialize_entry("func", &function.name)?;
                map.serialize_entry("module", &function.module)?;
            }
            Some(TracingTarget::Program { program, function }) => {
                if let Some(function) = function {
                    map.serialize_entry("func", &function.name)?;
                }
                let called = program.and_then(|program| names.program_name(program.id));
                if let Some(called) = called {
                    name(map, "target_prog_name", called.to_bytes())?;
                }
            }
            _ => {}
        },
        _ => {}
    }
    Ok(())
}
