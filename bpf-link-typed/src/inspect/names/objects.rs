//! Programs and maps by their ids.

use std::ffi::CString;
use std::sync::Arc;

use bpf_link::{MapId, MapInfo, ProgramId, ProgramInfo};

use super::kept::Kept;
use super::note::{NamesOf, Notes};

/// What is known of programs and maps.
#[derive(Debug, Default)]
pub(super) struct Objects {
    programs: Kept<ProgramId, Arc<ProgramInfo>>,
    /// Whole, as far as can be found out.
    program_names: Kept<ProgramId, Arc<CString>>,
    maps: Kept<MapId, Arc<MapInfo>>,
}

impl Objects {
    pub(super) fn program(&self, id: ProgramId, notes: &Notes) -> Option<Arc<ProgramInfo>> {
        self.programs.get(id, || {
            found(ProgramInfo::from_id(id), NamesOf::Programs, notes)
        })
    }

    /// The name of a program; as the kernel has cut it, if the whole name cannot be found out.
    pub(super) fn program_name(&self, id: ProgramId, notes: &Notes) -> Option<Arc<CString>> {
        let program = self.program(id, notes)?;
        let whole = self.program_names.get(id, || {
            found(program.whole_name(), NamesOf::LongPrograms, notes)
        });
        Some(whole.unwrap_or_else(|| Arc::new(program.name.clone())))
    }

    pub(super) fn map(&self, id: MapId, notes: &Notes) -> Option<Arc<MapInfo>> {
        self.maps
            .get(id, || found(MapInfo::from_id(id), NamesOf::Maps, notes))
    }

    pub(super) fn refresh(&mut self) {
        self.programs.refresh();
        self.program_names.refresh();
        self.maps.refresh();
    }
}

/// An object that is gone has no name, and that is not worth a note.
fn found<T>(asked: bpf_link::Result<T>, about: NamesOf, notes: &Notes) -> Option<Arc<T>> {
    match asked {
        Ok(found) => Some(Arc::new(found)),
        Err(bpf_link::Error::Vanished(_)) => None,
        Err(error) => {
            notes.add(about, error);
            None
        }
    }
}
