//! A link in words, for a line.

use std::ffi::CStr;

use bpf_link_typed::{
    Hideable, IterTarget, KprobeMultiFlags, LinkInfoRef, MapId, NetfilterFlags, NetfilterInfo,
    PerfEventDetailsRef, PerfKprobeRef, PerfUprobeRef, UprobeMultiFlags, UprobeMultiInfoRef,
};

use crate::resolve::{
    Device, Symbol, TracingTarget, event_config_name, event_type_name, family_name, hook_name,
};
use crate::view::View;

/// How many functions are named.
const NAMED: usize = 3;
const DETACHED: &str = "(detached)";
const UNKNOWN: &str = "(unknown)";

/// The program: its id and its name.
pub(crate) fn program(view: &View<'_>) -> Option<String> {
    let id = view.info.program_id()?;
    let name = view
        .resolver
        .program(id)
        .map(|program| lossy(&program.name));
    Some(with_name(id.get(), name))
}

/// What the link is attached to.
pub(crate) fn attached_to(view: &View<'_>) -> String {
    match &view.info {
        LinkInfoRef::RawTracepoint(info) => or_unknown(info.name.map(lossy)),
        LinkInfoRef::Tracing(info) => {
            let target = view.resolver.tracing_target(info);
            let target = target.as_ref().map_or_else(
                || match (info.target_obj_id, info.target_btf_id) {
                    (Some(object), Some(id)) => format!("type {id} of object {object}"),
                    _ => UNKNOWN.to_owned(),
                },
                tracing_target,
            );
            format!("{} {target}", info.attach_type)
        }
        LinkInfoRef::Cgroup(info) => format!(
            "{} {}",
            info.attach_type,
            info.cgroup_id
                .map_or_else(|| DETACHED.to_owned(), |id| cgroup(view, id))
        ),
        LinkInfoRef::Iter(info) => {
            let name = or_unknown(info.target_name.map(lossy));
            match info.target {
                IterTarget::Map(id) => format!("{name} of {}", map(view, id)),
                IterTarget::Cgroup { cgroup_id, order } => {
                    format!("{name} {} {order}", cgroup(view, cgroup_id))
                }
                IterTarget::Tid(tid) => format!("{name} of thread {tid}"),
                IterTarget::Pid(pid) => format!("{name} of process {pid}"),
                _ => name,
            }
        }
        LinkInfoRef::Netns(info) => format!(
            "{} {}",
            info.attach_type,
            info.netns_ino
                .map_or_else(|| DETACHED.to_owned(), |inode| format!("netns {inode}"))
        ),
        LinkInfoRef::Xdp(_) => device(view),
        LinkInfoRef::Tcx(info) => format!("{} {}", info.attach_type, device(view)),
        LinkInfoRef::Netkit(info) => format!("{} {}", info.attach_type, device(view)),
        LinkInfoRef::PerfEvent(info) => perf_event(view, &info.event),
        LinkInfoRef::KprobeMulti(info) => {
            let is_return = info
                .flags
                .is_some_and(|flags| flags.contains(KprobeMultiFlags::RETURN));
            let addresses = info.addresses.and_then(Hideable::visible);
            let names = addresses.unwrap_or_default().iter().take(NAMED);
            let names = names.map(|address| address_name(view, *address)).collect();
            functions(info.count, is_return, names)
        }
        LinkInfoRef::StructOps(info) => info
            .map_id
            .map_or_else(|| DETACHED.to_owned(), |id| map(view, id)),
        LinkInfoRef::Netfilter(info) => netfilter(info),
        LinkInfoRef::UprobeMulti(info) => uprobe_multi(info),
        LinkInfoRef::Sockmap(info) => format!(
            "{} {}",
            info.attach_type,
            info.map_id
                .map_or_else(|| DETACHED.to_owned(), |id| map(view, id))
        ),
        LinkInfoRef::TracingMulti(info) => {
            let ids = info.ids.unwrap_or_default().iter().take(NAMED);
            let names = ids.map(|id| {
                let function = info
                    .btf_obj_id
                    .and_then(|object| view.resolver.function(object, *id));
                function.map_or_else(|| format!("type {id}"), |function| function.name)
            });
            let functions = functions(info.count, false, names.collect());
            match info.attach_type {
                Some(attach_type) => format!("{attach_type} {functions}"),
                None => functions,
            }
        }
        LinkInfoRef::Other(_) => "of a kind that is newer than this program".to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

fn netfilter(info: &NetfilterInfo) -> String {
    let family =
        family_name(info.family).map_or_else(|| format!("family {}", info.family), str::to_owned);
    let hook = hook_name(info.family, info.hook)
        .map_or_else(|| format!("hook {}", info.hook), str::to_owned);
    let defrag = if info.flags.contains(NetfilterFlags::IP_DEFRAG) {
        ", defragmented"
    } else {
        ""
    };
    format!("{family} {hook}, priority {}{defrag}", info.priority)
}

fn uprobe_multi(info: &UprobeMultiInfoRef<'_>) -> String {
    let is_return = info
        .flags
        .is_some_and(|flags| flags.contains(UprobeMultiFlags::RETURN));
    let places = match info.count {
        Some(1) => "1 place".to_owned(),
        Some(count) => format!("{count} places"),
        None => return UNKNOWN.to_owned(),
    };
    let at_return = if is_return { ", on return" } else { "" };
    let process = match info.pid {
        Some(pid @ 1..) => format!(", in process {pid}"),
        _ => String::new(),
    };
    let path = or_unknown(info.path.map(lossy));
    format!("{path}: {places}{at_return}{process}")
}

fn tracing_target(target: &TracingTarget) -> String {
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
                    let program = with_name(program.id.get(), Some(lossy(&program.name)));
                    format!("{function} of program {program}")
                }
                None => format!("{function} of a program"),
            }
        }
    }
}

fn perf_event(view: &View<'_>, event: &PerfEventDetailsRef<'_>) -> String {
    match event {
        PerfEventDetailsRef::Kprobe(probe) => format!("kprobe {}", kprobe(view, probe)),
        PerfEventDetailsRef::Kretprobe(probe) => format!("kretprobe {}", kprobe(view, probe)),
        PerfEventDetailsRef::Uprobe(probe) => format!("uprobe {}", uprobe(probe)),
        PerfEventDetailsRef::Uretprobe(probe) => format!("uretprobe {}", uprobe(probe)),
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            format!("tracepoint {}", or_unknown(tracepoint.name.map(lossy)))
        }
        PerfEventDetailsRef::Event(event) => {
            let event_type = event_type_name(event.event_type)
                .map_or_else(|| format!("type {}", event.event_type), str::to_owned);
            let config = event_config_name(event.event_type, event.config)
                .map_or_else(|| format!("{:#x}", event.config), Into::into);
            format!("{event_type} {config}")
        }
        PerfEventDetailsRef::Unknown { number, .. } => format!("perf event of type {number}"),
        _ => UNKNOWN.to_owned(),
    }
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

/// The function that an address is in, or the address.
fn address_name(view: &View<'_>, address: u64) -> String {
    let Some(symbol) = view.resolver.symbol(address) else {
        return format!("{address:#x}");
    };
    let Symbol {
        name,
        module,
        offset,
        ..
    } = symbol;
    let place = place(name.to_owned(), if symbol.is_entry() { 0 } else { offset });
    match module {
        Some(module) => format!("{place} [{module}]"),
        None => place,
    }
}

fn place(function: String, offset: u64) -> String {
    if offset == 0 {
        function
    } else {
        format!("{function}+{offset:#x}")
    }
}

fn functions(count: Option<u32>, is_return: bool, mut names: Vec<String>) -> String {
    let Some(count) = count else {
        return UNKNOWN.to_owned();
    };
    let functions = if count == 1 { "function" } else { "functions" };
    let at_return = if is_return { ", on return" } else { "" };
    if names.is_empty() {
        return format!("{count} {functions}{at_return}");
    }
    if names.len() < count as usize {
        names.push("...".to_owned());
    }
    format!("{count} {functions}{at_return}: {}", names.join(", "))
}

fn device(view: &View<'_>) -> String {
    match view.resolver.device(&view.info) {
        Some(Device::Named { index, name }) => format!("{name} ({index})"),
        Some(Device::Unknown { index }) => format!("{UNKNOWN} ({index})"),
        Some(Device::Gone) | None => DETACHED.to_owned(),
    }
}

fn cgroup(view: &View<'_>, id: u64) -> String {
    view.resolver.cgroup(id).map_or_else(
        || format!("cgroup {id}"),
        |path| path.to_string_lossy().into_owned(),
    )
}

fn map(view: &View<'_>, id: MapId) -> String {
    let name = view.resolver.map(id).map(|map| lossy(&map.name));
    format!("map {}", with_name(id.get(), name))
}

fn with_name(id: u32, name: Option<String>) -> String {
    match name {
        Some(name) if !name.is_empty() => format!("{id} {name}"),
        _ => id.to_string(),
    }
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_owned())
}

pub(crate) fn lossy(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
