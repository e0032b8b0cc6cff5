//! What is shown of a `perf_event` link.

use std::borrow::Cow;

use bpf_link_typed::inspect::CounterName;
use bpf_link_typed::{
    Hideable, PerfEventDetailsRef, PerfEventInfoRef, PerfKprobeRef, PerfUprobeRef,
};
use serde::ser::SerializeMap;

use crate::json::values::{NameOrNumber, entry, name, name_if_any};
use crate::text::{UNKNOWN, address_name, lossy, or_unknown, place};
use crate::view::View;

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    info: &PerfEventInfoRef<'_>,
) -> Result<(), M::Error> {
    match &info.event {
        PerfEventDetailsRef::Kprobe(probe) => kprobe_keys(map, view, probe, false),
        PerfEventDetailsRef::Kretprobe(probe) => kprobe_keys(map, view, probe, true),
        PerfEventDetailsRef::Uprobe(probe) => uprobe_keys(map, probe, false),
        PerfEventDetailsRef::Uretprobe(probe) => uprobe_keys(map, probe, true),
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            name_if_any(map, "tracepoint", tracepoint.name)?;
            entry(map, "cookie", tracepoint.cookie)
        }
        PerfEventDetailsRef::Event(event) => {
            let CounterName {
                source,
                event: name,
                ..
            } = view.names.counter(event);
            map.serialize_entry(
                "event_type",
                &NameOrNumber(source.as_deref(), event.event_type),
            )?;
            match name {
                Some(name) => map.serialize_entry("event_config", &name)?,
                None => map.serialize_entry("event_config", &event.config)?,
            }
            entry(map, "cookie", event.cookie)
        }
        _ => Ok(()),
    }
}

pub(super) fn attached_to(view: &View<'_>, info: &PerfEventInfoRef<'_>) -> String {
    match &info.event {
        PerfEventDetailsRef::Kprobe(probe) => format!("kprobe {}", kprobe(view, probe)),
        PerfEventDetailsRef::Kretprobe(probe) => format!("kretprobe {}", kprobe(view, probe)),
        PerfEventDetailsRef::Uprobe(probe) => format!("uprobe {}", uprobe(probe)),
        PerfEventDetailsRef::Uretprobe(probe) => format!("uretprobe {}", uprobe(probe)),
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            format!("tracepoint {}", or_unknown(tracepoint.name.map(lossy)))
        }
        PerfEventDetailsRef::Event(event) => {
            let CounterName {
                source,
                event: name,
                ..
            } = view.names.counter(event);
            let source =
                source.map_or_else(|| format!("type {}", event.event_type), Cow::into_owned);
            let name = name.map_or_else(|| format!("{:#x}", event.config), Cow::into_owned);
            format!("{source} {name}")
        }
        PerfEventDetailsRef::Unknown { number, .. } => format!("perf event of type {number}"),
        _ => UNKNOWN.to_owned(),
    }
}

fn kprobe_keys<M: SerializeMap>(
    map: &mut M,
    view: &View<'_>,
    probe: &PerfKprobeRef<'_>,
    is_return: bool,
) -> Result<(), M::Error> {
    let address = probe.address.visible();
    let symbol = address.and_then(|address| view.names.kernel_function(address));
    let known = symbol.map(|symbol| symbol.function);
    map.serialize_entry("retprobe", &is_return)?;
    entry(map, "addr", address)?;
    match probe.function.filter(|function| !function.is_empty()) {
        Some(function) => name(map, "func", function.to_bytes())?,
        // It was attached by address.
        None => map.serialize_entry("func", &known.as_ref().map(|known| &known.name))?,
    }
    map.serialize_entry("offset", &probe.offset)?;
    entry(map, "missed", probe.missed)?;
    entry(map, "cookie", probe.cookie)?;
    entry(map, "module", known.map(|known| known.module))
}

fn uprobe_keys<M: SerializeMap>(
    map: &mut M,
    probe: &PerfUprobeRef<'_>,
    is_return: bool,
) -> Result<(), M::Error> {
    map.serialize_entry("retprobe", &is_return)?;
    name_if_any(map, "file", probe.file)?;
    map.serialize_entry("offset", &probe.offset)?;
    entry(map, "cookie", probe.cookie)?;
    entry(map, "ref_ctr_offset", probe.ref_ctr_offset)
}

fn kprobe(view: &View<'_>, probe: &PerfKprobeRef<'_>) -> String {
    match (probe.function, probe.address) {
        (Some(function), _) if !function.is_empty() => {
            place(lossy(function), u64::from(probe.offset))
        }
        (_, Hideable::Visible(address)) => address_name(view, address),
        (_, Hideable::Hidden) => UNKNOWN.to_owned(),
    }
}

fn uprobe(probe: &PerfUprobeRef<'_>) -> String {
    let file = or_unknown(probe.file.map(lossy));
    format!("{file}+{:#x}", probe.offset)
}
