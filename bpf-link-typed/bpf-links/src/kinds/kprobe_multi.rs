//! What is shown of a `kprobe_multi` link.

use bpf_link_typed::inspect::LinkDescription;
use bpf_link_typed::{Hideable, KprobeMultiFlags, KprobeMultiInfoRef};

use crate::text::{NAMED, address_name, functions};

pub(super) fn attached_to(link: &LinkDescription<'_>, info: &KprobeMultiInfoRef<'_>) -> String {
    let is_return = info
        .flags
        .is_some_and(|flags| flags.contains(KprobeMultiFlags::RETURN));
    let addresses = info.addresses.and_then(Hideable::visible);
    let names = addresses.unwrap_or_default().iter().take(NAMED);
    let names = names.map(|address| address_name(link, *address)).collect();
    functions(info.count, is_return, names)
}
