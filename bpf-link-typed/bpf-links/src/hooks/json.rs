//! The hooks of a place as JSON.
//!
//! Keys that `list` has as well have the same names, except the number of a netfilter hook: `hook`
//! is the sort of hook here, so the number is `hooknum`. `link_id` is null if the program is
//! attached without a link. If it cannot be told by which link, the key is missing, and
//! `possible_link_ids` has the links that may be it.

use std::os::unix::ffi::OsStrExt as _;

use bpf_link::TcFilter;
use bpf_link_typed::inspect::hooks::{
    AttachPoint, AttachedBy, AttachedProgram, CgroupOrigin, HookNote, HookPlace, PlaceHooks,
};
use bpf_link_typed::inspect::json::{Each, NameOrNumber, entry, name, name_if_any, paths};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::words;
use crate::found::Found;

pub(super) struct PlaceJson<'a> {
    pub(super) hooks: &'a PlaceHooks,
    pub(super) found: &'a Found<'a>,
}

impl Serialize for PlaceJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.hooks.place {
            HookPlace::Device {
                index,
                name: called,
            } => {
                map.serialize_entry("place", "device")?;
                map.serialize_entry("ifindex", index)?;
                name(&mut map, "devname", called.to_bytes())?;
            }
            HookPlace::Cgroup { id, path } => {
                map.serialize_entry("place", "cgroup")?;
                map.serialize_entry("cgroup_id", id)?;
                name(&mut map, "cgroup_path", path.as_os_str().as_bytes())?;
            }
            HookPlace::Netns { inode } => {
                map.serialize_entry("place", "netns")?;
                map.serialize_entry("netns_ino", inode)?;
            }
            HookPlace::Map { id, name: called } => {
                map.serialize_entry("place", "map")?;
                map.serialize_entry("map_id", &id.get())?;
                name(&mut map, "map_name", called.to_bytes())?;
            }
            _ => map.serialize_entry("place", "unknown")?,
        }
        let programs = || {
            let programs = self.hooks.programs.iter();
            programs.map(|program| ProgramJson {
                program,
                found: self.found,
            })
        };
        map.serialize_entry("programs", &Each(programs))?;
        map.serialize_entry("notes", &Each(|| self.hooks.notes.iter().map(NoteJson)))?;
        map.end()
    }
}

struct NoteJson<'a>(&'a HookNote);

impl Serialize for NoteJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("what", &self.0.about.to_string())?;
        let error = self.0.error.as_ref();
        map.serialize_entry("why", &error.map(|_| words::why(self.0)))?;
        map.end()
    }
}

struct ProgramJson<'a> {
    program: &'a AttachedProgram,
    found: &'a Found<'a>,
}

impl Serialize for ProgramJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let program = self.program;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("hook", &program.point.to_string())?;
        map.serialize_entry("prog_id", &program.program_id.get())?;
        name_if_any(&mut map, "prog_name", program.name.as_deref())?;
        if let Some(info) = &program.info {
            let sort = info.program_type;
            map.serialize_entry("prog_type", &NameOrNumber(sort.name(), sort.as_raw()))?;
            map.serialize_entry("prog_tag", &info.tag.to_string())?;
        }
        match &program.by {
            AttachedBy::Link(link) => {
                map.serialize_entry("link_id", &link.get())?;
                if let Some(pinned) = self.found.pins(*link) {
                    paths(&mut map, "pinned", pinned)?;
                }
                if let Some(holders) = self.found.holders(*link) {
                    map.serialize_entry("pids", holders)?;
                }
            }
            AttachedBy::NoLink => map.serialize_entry("link_id", &None::<u32>)?,
            AttachedBy::Unknown(links) => {
                let links = || links.iter().map(|link| link.get());
                map.serialize_entry("possible_link_ids", &Each(links))?;
            }
            _ => {}
        }
        point(&mut map, &program.point)?;
        map.end()
    }
}

/// What belongs to this sort of hook only.
fn point<M: SerializeMap>(map: &mut M, point: &AttachPoint) -> Result<(), M::Error> {
    match point {
        AttachPoint::Xdp(mode) => map.serialize_entry("mode", words::xdp_mode(*mode)),
        AttachPoint::TcFilter(filter) => tc_filter(map, filter),
        AttachPoint::Netfilter {
            family,
            hook,
            priority,
        } => {
            map.serialize_entry("pf", &family.as_raw())?;
            entry(map, "pf_name", family.name())?;
            map.serialize_entry("hooknum", &hook.as_raw())?;
            entry(map, "hook_name", hook.name_in(*family))?;
            map.serialize_entry("prio", priority)
        }
        AttachPoint::Cgroup { flags, origin, .. } => {
            if let Some(flags) = flags {
                map.serialize_entry("attach_flags", words::sharing(*flags).unwrap_or_default())?;
            }
            match origin {
                CgroupOrigin::Own => map.serialize_entry("inherited", &false),
                CgroupOrigin::Ancestor { id, path } => {
                    map.serialize_entry("inherited", &true)?;
                    entry(map, "from_cgroup_id", *id)?;
                    match path {
                        Some(path) => name(map, "from_cgroup_path", path.as_os_str().as_bytes()),
                        None => Ok(()),
                    }
                }
                _ => map.serialize_entry("inherited", &None::<bool>),
            }
        }
        _ => Ok(()),
    }
}

fn tc_filter<M: SerializeMap>(map: &mut M, filter: &TcFilter) -> Result<(), M::Error> {
    entry(map, "parent", words::class(filter.parent))?;
    map.serialize_entry("chain", &filter.chain)?;
    map.serialize_entry("prio", &filter.priority)?;
    map.serialize_entry("protocol", &filter.protocol)?;
    map.serialize_entry("handle", &filter.handle)?;
    map.serialize_entry("direct_action", &filter.is_direct_action)?;
    name_if_any(map, "filter_name", filter.name.as_deref())?;
    map.serialize_entry("hardware_flags", &filter.hardware_flags)?;
    let class = filter.class_id.map(words::handle_text);
    entry(map, "class_id", class)
}
