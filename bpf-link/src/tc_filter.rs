//! Classic traffic control, which is older than tcx: the filters of queueing disciplines.

use std::ffi::CString;

use crate::error::{Command, CommandError, Result, Target};
use crate::id::ProgramId;
use crate::network_device::network_device;
use crate::sys;

/// A classic filter of the traffic control of a network device, whose classifier is a BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcFilter {
    /// What has the filter.
    pub parent: TcParent,
    /// The chain that it is in. A packet starts in chain 0.
    pub chain: u32,
    /// The priority: in a chain, filters run from the lowest to the highest.
    pub priority: u16,
    /// The protocol of the packets that it sees (`ETH_P_*`).
    pub protocol: u16,
    /// The handle, which is unique within the priority.
    pub handle: u32,
    /// The program.
    pub program: ProgramId,
    /// The name that it was added with, which may differ from the program's.
    pub name: Option<CString>,
    /// Whether what the program returns decides about the packet (`direct-action`).
    pub is_direct_action: bool,
    /// Whether it is in hardware, or is to be (`TCA_CLS_FLAGS_*`).
    pub hardware_flags: u32,
    /// The class that it puts packets into, if it was added with one.
    pub class_id: Option<u32>,
}

/// What has a classic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TcParent {
    /// What the device receives: by the discipline `clsact` or `ingress`.
    Ingress,
    /// What the device sends: by the discipline `clsact`.
    Egress,
    /// Another discipline or one of its classes, by its handle; 0 for a root discipline that has
    /// none.
    Class(u32),
}

impl TcParent {
    fn from_raw(raw: u32) -> Self {
        match raw {
            sys::TC_INGRESS => Self::Ingress,
            sys::TC_EGRESS => Self::Egress,
            handle => Self::Class(handle),
        }
    }
}

/// The classic filters of the network device with this index that are BPF programs, in the network
/// namespace of the calling thread: for each parent in the order in which they run.
///
/// A filter in a block that several devices share is listed for each of them. Programs that are
/// actions of other filters (`act_bpf`) are not listed.
///
/// # Errors
///
/// [`Command`](crate::Error::Command) with
///
/// - `ENODEV`: there is no such device;
/// - `EMFILE`: the process has no descriptor left.
///
/// # Kernel
///
/// `RTM_GETQDISC`, `RTM_GETTCLASS` and `RTM_GETTFILTER` over netlink, with the ids of programs
/// since Linux 4.13; the last ends in `tc_dump_tfilter` (7.3). No privilege is needed.
#[doc(alias = "clsact")]
pub fn tc_filters(index: u32) -> Result<Vec<TcFilter>> {
    // For a device that does not exist, the kernel returns an empty list.
    network_device(index)?;
    let found = sys::tc_filters(index).map_err(|source| {
        CommandError::new(Command::GetTcFilters, Target::ifindex(index), source).classify()
    })?;
    let filters = found.into_iter().filter_map(|found| {
        Some(TcFilter {
            parent: TcParent::from_raw(found.parent),
            chain: found.chain,
            priority: found.priority,
            protocol: found.protocol,
            handle: found.handle,
            program: ProgramId::new(found.program)?,
            name: found.name,
            is_direct_action: found.is_direct_action,
            hardware_flags: found.generic_flags,
            class_id: found.class_id,
        })
    });
    Ok(filters.collect())
}
