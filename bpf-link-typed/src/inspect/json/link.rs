//! A link as JSON.

use std::os::unix::ffi::OsStrExt as _;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::kinds;
use super::values::{NameOrNumber, entry, name, paths};
use crate::info::LinkInfoRef;
use crate::inspect::description::LinkDescription;
use crate::inspect::names::TracingTarget;
use crate::kinds::{PerfEventDetailsRef, TracingInfo};

/// Writes the keys of `bpftool -j link show`, and then ours.
impl Serialize for LinkDescription<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id().get())?;
        let kind = self.info.kind();
        map.serialize_entry("type", &NameOrNumber(kind.name(), kind.as_raw()))?;
        if let Some(program) = self.info.program_id() {
            map.serialize_entry("prog_id", &program.get())?;
        }
        kinds::keys(&mut map, self)?;
        if let Some(pinned) = self.pinned {
            paths(&mut map, "pinned", pinned)?;
        }
        entry(&mut map, "pids", self.holders)?;
        ours(&mut map, self)?;
        map.end()
    }
}

/// What bpftool has no keys for.
fn ours<M: SerializeMap>(map: &mut M, link: &LinkDescription<'_>) -> Result<(), M::Error> {
    let names = link.names;
    entry(map, "defunct", link.is_defunct())?;
    if let Some(id) = link.info.program_id() {
        if let Some(found) = names.program_name(id) {
            name(map, "prog_name", found.to_bytes())?;
        }
        let program = names.program(id);
        entry(map, "prog_tag", program.map(|info| info.tag.to_string()))?;
    }
    if let Some(found) = link.map_id().and_then(|id| names.map(id)) {
        name(map, "map_name", found.name.to_bytes())?;
    }
    if let Some(path) = link.cgroup_id().and_then(|id| names.cgroup(id)) {
        name(map, "cgroup_path", path.as_os_str().as_bytes())?;
    }
    if let Some(netns) = link.device().and_then(|device| device.other_netns()) {
        map.serialize_entry("netns_ino", &netns)?;
        if let Some(path) = names.netns(netns) {
            name(map, "netns_path", path.as_os_str().as_bytes())?;
        }
    }
    match &link.info {
        LinkInfoRef::Netfilter(info) => {
            entry(map, "pf_name", info.family.name())?;
            entry(map, "hook_name", info.hook.name_in(info.family))
        }
        LinkInfoRef::Tracing(info) => tracing_target(map, link, info),
        LinkInfoRef::PerfEvent(info) => match &info.event {
            PerfEventDetailsRef::Event(event) if !event.has_fixed_source() => {
                let name = names.counter(event);
                entry(map, "event_source", name.source)?;
                entry(map, "event_name", name.event)
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn tracing_target<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &TracingInfo,
) -> Result<(), M::Error> {
    match link.names.tracing_target(info) {
        Some(TracingTarget::Kernel(function)) => {
            map.serialize_entry("func", &function.name)?;
            map.serialize_entry("module", &function.module)
        }
        Some(TracingTarget::Program { program, function }) => {
            entry(map, "func", function.map(|function| function.name))?;
            let called = program.and_then(|program| link.names.program_name(program.id));
            match called {
                Some(called) => name(map, "target_prog_name", called.to_bytes()),
                None => Ok(()),
            }
        }
        None => Ok(()),
    }
}
