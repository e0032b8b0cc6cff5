//! Who has a perf event, or a tracepoint: asked of the kernel once it has refused another program.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

use bpf_link::{LinkKind, ProgramId};

use super::{PerfEventDetails, PerfEventLink};
use crate::attach::holders;
use crate::error::{Error, HolderLink, HookHolder};

/// Says why the kernel refused the program (`EEXIST`): the event runs another one already, which
/// the error then names, or the refused program is on the event's tracepoint already.
pub(super) fn with_program_of(event: BorrowedFd<'_>, source: bpf_link::Error) -> Error {
    match bpf_link::perf_event_program(&event) {
        // No link says which event it is on.
        Ok(Some(program)) => {
            let holders = vec![holders::of_program(program, HolderLink::Unknown)];
            Error::HookTaken { holders, source }
        }
        Ok(None) => Error::AlreadyAttached(source),
        Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => holders::unknown(source),
        Err(_) => source.into(),
    }
}

/// The programs on the event's tracepoint. Their links are known where it has this name.
pub(super) fn of_tracepoint(event: BorrowedFd<'_>, name: Option<&str>) -> Option<Vec<HookHolder>> {
    let programs = bpf_link::tracepoint_programs(&event).ok()?;
    // The programs of links that may be here or elsewhere, as the kernel does not say; `None`
    // stands for any program.
    let mut unclear: BTreeSet<Option<ProgramId>> = BTreeSet::new();
    let mut holders = holders::with_links(&programs, LinkKind::PerfEvent, |link| {
        let info = PerfEventLink(link).info().ok();
        let program = info.as_ref().and_then(|info| info.program_id);
        match info.and_then(|info| is_on(&info.event, name)) {
            Some(true) => program,
            Some(false) => None,
            None => {
                unclear.insert(program);
                None
            }
        }
    });
    for holder in &mut holders {
        let may_be_elsewhere = unclear.contains(&holder.program) || unclear.contains(&None);
        if holder.link == HolderLink::WithoutLink && may_be_elsewhere {
            holder.link = HolderLink::Unknown;
        }
    }
    Some(holders)
}

/// Whether a link's event is of the tracepoint with this name; `None` if that cannot be told.
fn is_on(event: &PerfEventDetails, name: Option<&str>) -> Option<bool> {
    match event {
        PerfEventDetails::Tracepoint(found) => {
            let (name, found) = (name?, found.name.as_deref()?);
            Some(found.to_bytes() == name.as_bytes())
        }
        PerfEventDetails::Event(_) => Some(false),
        // Kprobes and uprobes can be tracepoints as well, of tracefs.
        _ => None,
    }
}
