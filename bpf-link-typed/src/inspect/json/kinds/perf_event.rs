//! The keys of a `perf_event` link.

use serde::ser::SerializeMap;

use crate::inspect::description::LinkDescription;
use crate::inspect::json::values::{NameOrNumber, entry, name, name_if_any};
use crate::kinds::{PerfEventDetailsRef, PerfEventInfoRef, PerfKprobeRef, PerfUprobeRef};

pub(super) fn keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    info: &PerfEventInfoRef<'_>,
) -> Result<(), M::Error> {
    match &info.event {
        PerfEventDetailsRef::Kprobe(probe) => kprobe_keys(map, link, probe, false),
        PerfEventDetailsRef::Kretprobe(probe) => kprobe_keys(map, link, probe, true),
        PerfEventDetailsRef::Uprobe(probe) => uprobe_keys(map, probe, false),
        PerfEventDetailsRef::Uretprobe(probe) => uprobe_keys(map, probe, true),
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            name_if_any(map, "tracepoint", tracepoint.name)?;
            entry(map, "cookie", tracepoint.cookie)
        }
        PerfEventDetailsRef::Event(event) => {
            // bpftool has names only for these.
            let (source, name) = if event.has_fixed_source() {
                let name = link.names.counter(event);
                (name.source, name.event)
            } else {
                (None, None)
            };
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

fn kprobe_keys<M: SerializeMap>(
    map: &mut M,
    link: &LinkDescription<'_>,
    probe: &PerfKprobeRef<'_>,
    is_return: bool,
) -> Result<(), M::Error> {
    let address = probe.address.visible();
    let symbol = address.and_then(|address| link.names.kernel_function(address));
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
