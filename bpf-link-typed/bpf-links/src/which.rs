//! The links and programs that arguments name.

use std::os::fd::OwnedFd;

use bpf_link::{LinkId, ProgramId, open_pinned_program, open_program};
use bpf_link_typed::RawLink;

use crate::args::Named;

pub(crate) fn link(which: &Named<LinkId>) -> bpf_link::Result<RawLink> {
    match which {
        Named::Number(id) => RawLink::from_id(*id),
        Named::Name(path) => RawLink::from_pinned(path),
    }
}

pub(crate) fn program(which: &Named<ProgramId>) -> bpf_link::Result<OwnedFd> {
    match which {
        Named::Number(id) => open_program(*id),
        Named::Name(path) => open_pinned_program(path),
    }
}
