//! What is shown of a netfilter link.

use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{NetfilterFlags, NetfilterInfo};

pub(super) fn attached_to(_view: &LinkDescription<'_>, info: &NetfilterInfo) -> String {
    let (family, hook) = (info.family, info.hook);
    let hook = hook
        .name_in(family)
        .map_or_else(|| format!("hook {}", hook.as_raw()), str::to_owned);
    let family = family
        .name()
        .map_or_else(|| format!("family {}", family.as_raw()), str::to_owned);
    let defrag = if info.flags.contains(NetfilterFlags::IP_DEFRAG) {
        ", with defragmentation"
    } else {
        ""
    };
    format!("{family} {hook}, priority {}{defrag}", info.priority)
}
