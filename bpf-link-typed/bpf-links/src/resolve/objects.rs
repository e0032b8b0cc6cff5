//! Programs and maps by their ids.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::hash::Hash;
use std::rc::Rc;

use bpf_link::{Error, MapInfo, ProgramInfo};
use bpf_link_typed::{MapId, ProgramId};

use crate::notes::Notes;

#[derive(Default)]
pub(super) struct Objects {
    programs: Known<ProgramId, ProgramInfo>,
    /// Whole, as far as can be found out.
    program_names: Known<ProgramId, CString>,
    maps: Known<MapId, MapInfo>,
}

/// Answers so far, including the missing ones.
struct Known<I, T>(RefCell<HashMap<I, Option<Rc<T>>>>);

impl<I, T> Default for Known<I, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<I: Copy + Eq + Hash, T> Known<I, T> {
    fn get(
        &self,
        id: I,
        ask: impl Fn(I) -> bpf_link::Result<T>,
        refused: impl Fn(Error),
    ) -> Option<Rc<T>> {
        if let Some(known) = self.0.borrow().get(&id) {
            return known.clone();
        }
        let answer = match ask(id) {
            Ok(info) => Some(Rc::new(info)),
            Err(Error::Vanished(_)) => None,
            Err(error) => {
                refused(error);
                None
            }
        };
        self.0.borrow_mut().insert(id, answer.clone());
        answer
    }
}

impl Objects {
    pub(super) fn program(&self, id: ProgramId, notes: &Notes) -> Option<Rc<ProgramInfo>> {
        let refused = |error| notes.refused("some programs are shown without names", &error);
        self.programs.get(id, ProgramInfo::from_id, refused)
    }

    /// The name of a program; as the kernel has cut it, if the whole name cannot be found out.
    pub(super) fn program_name(&self, id: ProgramId, notes: &Notes) -> Option<Rc<CString>> {
        let program = self.program(id, notes)?;
        let refused = |error| notes.refused("some names of programs are cut", &error);
        let whole = self
            .program_names
            .get(id, |_| program.whole_name(), refused);
        Some(whole.unwrap_or_else(|| Rc::new(program.name.clone())))
    }

    pub(super) fn map(&self, id: MapId, notes: &Notes) -> Option<Rc<MapInfo>> {
        let refused = |error| notes.refused("some maps are shown without names", &error);
        self.maps.get(id, MapInfo::from_id, refused)
    }
}
