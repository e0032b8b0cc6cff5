//! What is shown of a `raw_tracepoint` link.

use bpf_link_typed::RawTracepointInfoRef;
use bpf_link_typed::inspect::LinkDescription;

use crate::text::{lossy, or_unknown};

pub(super) fn attached_to(_view: &LinkDescription<'_>, info: &RawTracepointInfoRef<'_>) -> String {
    or_unknown(info.name.map(lossy))
}
