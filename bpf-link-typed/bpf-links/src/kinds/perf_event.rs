//! What is shown of a `perf_event` link.

use std::borrow::Cow;

use bpf_link_typed::inspect::{CounterName, LinkDescription};
use bpf_link_typed::{
    Hideable, PerfEventDetailsRef, PerfEventInfoRef, PerfKprobeRef, PerfUprobeRef,
};

use crate::text::{UNKNOWN, address_name, lossy, or_unknown, place};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &PerfEventInfoRef<'_>) -> String {
    match &info.event {
        PerfEventDetailsRef::Kprobe(probe) => format!("kprobe {}", kprobe(link, probe)),
        PerfEventDetailsRef::Kretprobe(probe) => format!("kretprobe {}", kprobe(link, probe)),
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
            } = link.names.counter(event);
            let source =
                source.map_or_else(|| format!("type {}", event.event_type), Cow::into_owned);
            let name = name.map_or_else(|| format!("{:#x}", event.config), Cow::into_owned);
            format!("{source} {name}")
        }
        PerfEventDetailsRef::Unknown { number, .. } => format!("perf event of type {number}"),
        _ => UNKNOWN.to_owned(),
    }
}

fn kprobe(link: &LinkDescription<'_>, probe: &PerfKprobeRef<'_>) -> String {
    match (probe.function, probe.address) {
        (Some(function), _) if !function.is_empty() => {
            place(lossy(function), u64::from(probe.offset))
        }
        (_, Hideable::Visible(address)) => address_name(link, address),
        (_, Hideable::Hidden) => UNKNOWN.to_owned(),
    }
}

fn uprobe(probe: &PerfUprobeRef<'_>) -> String {
    let file = or_unknown(probe.file.map(lossy));
    format!("{file}+{:#x}", probe.offset)
}
