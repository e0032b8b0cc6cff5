//! `BPF_PROG_QUERY`: which programs a hook has.

use std::io;

use bpf_link_sys as c;

use super::{bpf, raw};
use crate::args::CreateTarget;

/// What is asked of a hook.
#[derive(Debug)]
pub(crate) struct QueryRequest<'a> {
    pub(crate) target: CreateTarget<'a>,
    pub(crate) attach_type: u32,
    pub(crate) flags: u32,
}

/// What the kernel says besides ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryAnswer {
    /// How many programs the hook has, also if there was no room for all of them.
    pub(crate) count: u32,
    pub(crate) attach_flags: u32,
    pub(crate) revision: u64,
}

/// What the kernel fills in for each program: as much as there is room for. Only the ids of the
/// programs have to have room.
#[derive(Debug, Default)]
pub(crate) struct QueryLists {
    pub(crate) programs: Vec<u32>,
    pub(crate) links: Vec<u32>,
    pub(crate) program_flags: Vec<u32>,
}

/// Fills in a list for each that has room; without room for programs, only counts.
///
/// The answer comes also with the error of too little room, `ENOSPC`.
pub(crate) fn prog_query(
    request: &QueryRequest<'_>,
    lists: &mut QueryLists,
) -> (QueryAnswer, io::Result<()>) {
    let mut room = lists.programs.len();
    for optional in [&lists.links, &lists.program_flags] {
        if !optional.is_empty() {
            room = room.min(optional.len());
        }
    }
    let mut attr = c::bpf_attr__query {
        target_fd_union: match request.target {
            CreateTarget::Fd(fd) => c::bpf_attr__query__target_fd_union { target_fd: raw(fd) },
            CreateTarget::Ifindex(target_ifindex) => {
                c::bpf_attr__query__target_fd_union { target_ifindex }
            }
            CreateTarget::None | CreateTarget::NoDescriptor => {
                c::bpf_attr__query__target_fd_union {
                    target_fd: super::NO_DESCRIPTOR,
                }
            }
        },
        attach_type: request.attach_type,
        query_flags: request.flags,
        attach_flags: 0,
        prog_ids: address(&mut lists.programs),
        prog_cnt_union: c::bpf_attr__query__prog_cnt_union {
            prog_cnt: u32::try_from(room).unwrap_or(u32::MAX),
        },
        _bitfield_1: c::__BindgenBitfieldUnit::new([0; 4]),
        prog_attach_flags: address(&mut lists.program_flags),
        link_ids: address(&mut lists.links),
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY:
    // - the attr has no padding, and all of it is initialised; the kernel writes its answer into
    //   it;
    // - its pointers are null or to `lists`, which are live for the call, ours to write, and at
    //   least as long as `prog_cnt` says.
    let result = unsafe { bpf(c::BPF_PROG_QUERY, &mut attr) };
    // SAFETY: both fields of the union are the same integer.
    let count = unsafe { attr.prog_cnt_union.prog_cnt };
    let answer = QueryAnswer {
        count,
        attach_flags: attr.attach_flags,
        revision: attr.revision,
    };
    (answer, result.map(drop))
}

/// The address of an array that the kernel writes to; null if there is no room in it.
fn address(ids: &mut [u32]) -> u64 {
    if ids.is_empty() {
        0
    } else {
        ids.as_mut_ptr() as u64
    }
}
