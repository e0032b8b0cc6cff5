//! Whether a link is on such an event, with this cookie.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::kprobe::KernelPlace;
use super::{
    KprobeEvent, PerfEventAttach, PerfEventDetails, PerfEventInfo, PerfEventLink, PerfKprobe,
    PerfTarget, PerfUprobe, UprobeEvent,
};
use crate::attach::file_ref::FileRef;
use crate::ensure::{Blocks, Match, Old, Recipe, Wanted};
use crate::error::Result;

impl Recipe for PerfEventAttach<'_> {
    type Link = PerfEventLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<PerfEventLink> {
        self.attach(program)
    }

    /// Tasks, processors, periods and frequencies are not part of the info. They are no matter for
    /// tracepoints and kprobes, as long as these come from here.
    fn compare(
        &self,
        _link: &PerfEventLink,
        info: &PerfEventInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let event = &info.event;
        let found = match (&self.target, event) {
            (_, PerfEventDetails::NotReported | PerfEventDetails::Unknown { .. })
            | (PerfTarget::Fd(_), _) => Match::Unclear,
            (PerfTarget::Counter(wanted), PerfEventDetails::Event(found)) => {
                Match::hook(wanted.is_other(found).then_some(false))
            }
            (PerfTarget::Tracepoint(wanted), PerfEventDetails::Tracepoint(found)) => {
                let name = found.name.as_deref();
                Match::hook(name.map(|name| name.to_bytes() == wanted.name().as_bytes()))
            }
            (PerfTarget::Kprobe(wanted), PerfEventDetails::Kprobe(found)) if !wanted.on_return => {
                compare_kprobe(wanted, found)
            }
            (PerfTarget::Kprobe(wanted), PerfEventDetails::Kretprobe(found))
                if wanted.on_return =>
            {
                compare_kprobe(wanted, found)
            }
            (PerfTarget::Uprobe(wanted), PerfEventDetails::Uprobe(found)) if !wanted.on_return => {
                compare_uprobe(wanted, found)
            }
            (PerfTarget::Uprobe(wanted), PerfEventDetails::Uretprobe(found))
                if wanted.on_return =>
            {
                compare_uprobe(wanted, found)
            }
            _ => Match::OtherHook,
        };
        let cookie = self.cookie.unwrap_or(0);
        Ok(found.and(cookie_of(event).map(|found| found == cookie)))
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        match &self.target {
            PerfTarget::Tracepoint(event) => event.tracepoint().id().map(drop),
            PerfTarget::Uprobe(event) => event.file.check_exists(),
            _ => Ok(()),
        }
    }

    fn check_options(&self, _pin: &Path) -> Result<()> {
        match &self.target {
            PerfTarget::Counter(event) => event.check(),
            _ => Ok(()),
        }
    }

    /// A tracepoint does not take one program twice, nor more than 64 programs, and an event only
    /// one.
    fn blocks(&self, old: &Old<'_, PerfEventInfo>) -> Result<Blocks> {
        Ok(match (old.found.is_here(), old.same_program) {
            (false, _) => Blocks::Never,
            (true, false) => Blocks::WhenFull,
            (true, true) => Blocks::Always,
        })
    }

    fn way_back(&self, old: &PerfEventInfo) -> Result<Self> {
        let to = Self {
            cookie: cookie_of(&old.event).or(self.cookie),
            ..self.clone()
        };
        Ok(to)
    }
}

fn cookie_of(event: &PerfEventDetails) -> Option<u64> {
    match event {
        PerfEventDetails::Uprobe(probe) | PerfEventDetails::Uretprobe(probe) => probe.cookie,
        PerfEventDetails::Kprobe(probe) | PerfEventDetails::Kretprobe(probe) => probe.cookie,
        PerfEventDetails::Tracepoint(tracepoint) => tracepoint.cookie,
        PerfEventDetails::Event(event) => event.cookie,
        PerfEventDetails::NotReported | PerfEventDetails::Unknown { .. } => None,
    }
}

fn compare_kprobe(wanted: &KprobeEvent<'_>, found: &PerfKprobe) -> Match {
    let is_at = |address: u64| {
        // Linux puts a probe on an entry after the landing mark of indirect calls there.
        const LANDING_MARK: u64 = 4;
        let after = found.address.visible()?.checked_sub(address);
        (after != Some(LANDING_MARK)).then_some(after == Some(0))
    };
    Match::hook(match (&wanted.place, found.function.as_deref()) {
        (KernelPlace::Symbol(symbol, offset), Some(function)) => {
            Some(symbol.is(function) && u64::from(found.offset) == *offset)
        }
        (KernelPlace::Symbol(..), None) => wanted.address.and_then(is_at),
        (KernelPlace::Address(address), _) => is_at(*address),
    })
}

/// A probe of which it is not known whether it is for one process only.
fn compare_uprobe(wanted: &UprobeEvent<'_>, found: &PerfUprobe) -> Match {
    // The kernel gives the lower half.
    let is_elsewhere = u64::from(found.offset) != wanted.offset & u64::from(u32::MAX);
    let file = found.file.as_deref();
    let is_other = is_elsewhere || file.is_some_and(|file| is_other_file(wanted, file));
    let counter = wanted.ref_ctr_offset.unwrap_or(0);
    let same_counter = found.ref_ctr_offset.map(|found| found == counter);
    Match::hook(is_other.then_some(false)).and(same_counter)
}

/// Whether the file is certainly another one than that of which this is the path, as it was given
/// once.
fn is_other_file(wanted: &UprobeEvent<'_>, found: &CStr) -> bool {
    let path = found.to_bytes();
    // What these lead to is the business of the process that has given them.
    let is_of_other_process = !path.starts_with(b"/") || path.starts_with(b"/proc/");
    let is_as_given = match &wanted.file {
        FileRef::Path(wanted) => path == wanted.as_os_str().as_bytes(),
        FileRef::Fd(_) => false,
    };
    !is_of_other_process && !is_as_given && wanted.file.is_file_of_kernel(found) == Some(false)
}
