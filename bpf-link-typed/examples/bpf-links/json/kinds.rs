//! The keys of each kind, as bpftool has them.

use bpf_link_typed::{
    IterInfoRef, IterTarget, KprobeMultiFlags, LinkInfoRef, PerfEventDetailsRef, PerfKprobeRef,
    PerfUprobeRef, TracingInfo, UprobeMultiFlags,
};
use serde::ser::SerializeMap;

use super::functions::{KprobeFunctions, TracingFunctions, UprobePlaces};
use super::values::{Name, NameOrNumber};
use crate::resolve::{Device, event_config_name, event_type_name};
use crate::view::View;

pub(super) fn write<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    match &view.info {
        LinkInfoRef::RawTracepoint(info) => {
            entry(map, "tp_name", info.name.map(Name))?;
            entry(map, "cookie", info.cookie)
        }
        LinkInfoRef::Tracing(info) => tracing(map, view, info),
        LinkInfoRef::Cgroup(info) => {
            map.serialize_entry("cgroup_id", &info.cgroup_id.unwrap_or(0))?;
            map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))
        }
        LinkInfoRef::Iter(info) => iter(map, info),
        LinkInfoRef::Netns(info) => {
            map.serialize_entry("netns_ino", &info.netns_ino.unwrap_or(0))?;
            map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))
        }
        LinkInfoRef::Xdp(_) => device(map, view),
        LinkInfoRef::PerfEvent(info) => perf_event(map, view, &info.event),
        LinkInfoRef::KprobeMulti(info) => {
            let is_return = info
                .flags
                .map(|flags| flags.contains(KprobeMultiFlags::RETURN));
            entry(map, "retprobe", is_return)?;
            entry(map, "func_cnt", info.count)?;
            entry(map, "missed", info.missed)?;
            entry(
                map,
                "funcs",
                info.count.map(|_| KprobeFunctions::new(view, info)),
            )
        }
        LinkInfoRef::StructOps(info) => {
            map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))
        }
        LinkInfoRef::Netfilter(info) => {
            map.serialize_entry("pf", &info.family)?;
            map.serialize_entry("hook", &info.hook)?;
            map.serialize_entry("prio", &info.priority)?;
            map.serialize_entry("flags", &info.flags.bits())
        }
        LinkInfoRef::Tcx(info) => {
            device(map, view)?;
            map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))
        }
        LinkInfoRef::UprobeMulti(info) => {
            let is_return = info
                .flags
                .map(|flags| flags.contains(UprobeMultiFlags::RETURN));
            entry(map, "retprobe", is_return)?;
            entry(map, "path", info.path.map(Name))?;
            entry(map, "func_cnt", info.count)?;
            entry(map, "pid", info.pid)?;
            entry(map, "funcs", info.count.map(|_| UprobePlaces(info)))
        }
        LinkInfoRef::Netkit(info) => {
            device(map, view)?;
            map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))
        }
        LinkInfoRef::Sockmap(info) => {
            map.serialize_entry("map_id", &info.map_id.map_or(0, u32::from))?;
            map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))
        }
        LinkInfoRef::TracingMulti(info) => {
            entry(map, "attach_type", info.attach_type.map(NameOrNumber::from))?;
            entry(map, "func_cnt", info.count)?;
            entry(map, "btf_obj_id", info.btf_obj_id.map(u32::from))?;
            entry(
                map,
                "funcs",
                info.count.map(|_| TracingFunctions { view, info }),
            )
        }
        _ => Ok(()),
    }
}

/// A key, if there is a value.
fn entry<M: SerializeMap>(
    map: &mut M,
    key: &'static str,
    value: Option<impl serde::Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}

fn tracing<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &TracingInfo,
) -> Result<(), M::Error> {
    let program = info.program_id.and_then(|id| view.resolver.program(id));
    let program_type = program.map(|program| program.program_type);
    entry(
        map,
        "prog_type",
        program_type.map(|program_type| NameOrNumber(program_type.name(), program_type.as_raw())),
    )?;
    map.serialize_entry("attach_type", &NameOrNumber::from(info.attach_type))?;
    entry(map, "target_obj_id", info.target_obj_id)?;
    entry(map, "target_btf_id", info.target_btf_id.map(u32::from))?;
    entry(map, "cookie", info.cookie)
}

fn iter<M: SerializeMap>(map: &mut M, info: &IterInfoRef<'_>) -> Result<(), M::Error> {
    entry(map, "target_name", info.target_name.map(Name))?;
    match info.target {
        IterTarget::Map(id) => map.serialize_entry("map_id", &id.get()),
        IterTarget::Cgroup { cgroup_id, order } => {
            map.serialize_entry("cgroup_id", &cgroup_id)?;
            map.serialize_entry("order", &NameOrNumber(order.name(), order.as_raw()))
        }
        IterTarget::Tid(tid) => map.serialize_entry("tid", &tid),
        IterTarget::Pid(pid) => map.serialize_entry("pid", &pid),
        _ => Ok(()),
    }
}

fn device<M: SerializeMap>(map: &mut M, view: &View<'_>) -> Result<(), M::Error> {
    let device = view.resolver.device(&view.info).unwrap_or(Device::Gone);
    let (name, index) = match &device {
        Device::Named { index, name } => (&**name, *index),
        Device::Unknown { index } => ("(unknown)", *index),
        Device::Gone => ("(detached)", 0),
    };
    map.serialize_entry("devname", name)?;
    map.serialize_entry("ifindex", &index)
}

fn perf_event<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    event: &PerfEventDetailsRef<'_>,
) -> Result<(), M::Error> {
    match event {
        PerfEventDetailsRef::Kprobe(probe) => kprobe(map, view, probe, false),
        PerfEventDetailsRef::Kretprobe(probe) => kprobe(map, view, probe, true),
        PerfEventDetailsRef::Uprobe(probe) => uprobe(map, probe, false),
        PerfEventDetailsRef::Uretprobe(probe) => uprobe(map, probe, true),
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            entry(map, "tracepoint", tracepoint.name.map(Name))?;
            entry(map, "cookie", tracepoint.cookie)
        }
        PerfEventDetailsRef::Event(event) => {
            let event_type = event_type_name(event.event_type);
            map.serialize_entry("event_type", &NameOrNumber(event_type, event.event_type))?;
            match event_config_name(event.event_type, event.config) {
                Some(name) => map.serialize_entry("event_config", &name)?,
                None => map.serialize_entry("event_config", &event.config)?,
            }
            entry(map, "cookie", event.cookie)
        }
        _ => Ok(()),
    }
}

fn kprobe<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    probe: &PerfKprobeRef<'_>,
    is_return: bool,
) -> Result<(), M::Error> {
    let address = probe.address.visible();
    let symbol = address.and_then(|address| view.resolver.symbol(address));
    map.serialize_entry("retprobe", &is_return)?;
    entry(map, "addr", address)?;
    match probe.function.filter(|function| !function.is_empty()) {
        Some(function) => map.serialize_entry("func", &Name(function))?,
        // It was placed by its address.
        None => map.serialize_entry("func", &symbol.map(|symbol| symbol.name))?,
    }
    map.serialize_entry("offset", &probe.offset)?;
    entry(map, "missed", probe.missed)?;
    entry(map, "cookie", probe.cookie)?;
    let module = symbol.and_then(|symbol| symbol.module);
    entry(map, "module", symbol.map(|_| module))
}

fn uprobe<M: SerializeMap>(
    map: &mut M,
    probe: &PerfUprobeRef<'_>,
    is_return: bool,
) -> Result<(), M::Error> {
    map.serialize_entry("retprobe", &is_return)?;
    entry(map, "file", probe.file.map(Name))?;
    map.serialize_entry("offset", &probe.offset)?;
    entry(map, "cookie", probe.cookie)?;
    entry(map, "ref_ctr_offset", probe.ref_ctr_offset)
}
