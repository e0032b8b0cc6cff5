//! Programs and maps by their ids.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use bpf_link::{Error, MapInfo, ProgramInfo};
use bpf_link_typed::{MapId, ProgramId};

use crate::notes::Notes;

#[derive(Default)]
pub(super) struct Objects {
    programs: Known<ProgramId, ProgramInfo>,
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
        let refused = |error| notes.refused("some programs are shown without names", error);
        self.programs.get(id, ProgramInfo::from_id, refused)
    }

    pub(super) fn map(&self, id: MapId, notes: &Notes) -> Option<Rc<MapInfo>> {
        let refused = |error| notes.refused("some maps are shown without names", error);
        self.maps.get(id, MapInfo::from_id, refused)
    }
}
