//! The link that an argument names.

use bpf_link_typed::RawLink;

use crate::args::Which;

pub(crate) fn open(which: &Which) -> bpf_link::Result<RawLink> {
    match (&which.pin, which.id) {
        (Some(path), _) => RawLink::from_pinned(path),
        (None, Some(id)) => RawLink::from_id(id),
        (None, None) => unreachable!("clap wants one of the two"),
    }
}
