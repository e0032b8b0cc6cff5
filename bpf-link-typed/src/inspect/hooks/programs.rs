//! What programs are called, asked once.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;

use bpf_link::{ProgramId, ProgramInfo};

use super::note::Notes;
use crate::error::Error;

/// What is known of the programs that were asked about.
#[derive(Debug, Default)]
pub(super) struct Programs(HashMap<ProgramId, Known>);

#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) name: Option<CString>,
    pub(super) info: Option<ProgramInfo>,
    refused: Option<Arc<Error>>,
}

impl Programs {
    pub(super) fn get(&mut self, id: ProgramId, notes: &mut Notes) -> Known {
        let known = self.0.entry(id).or_insert_with(|| Known::ask(id));
        if let Some(error) = &known.refused {
            notes.add_program(id, error);
        }
        known.clone()
    }
}

impl Known {
    fn ask(id: ProgramId) -> Self {
        let refused = |error: bpf_link::Error| match error {
            // It is not attached any more.
            bpf_link::Error::Vanished(_) => None,
            error => Some(Arc::new(error.into())),
        };
        let info = match ProgramInfo::from_id(id) {
            Ok(info) => info,
            Err(error) => {
                return Self {
                    refused: refused(error),
                    ..Self::default()
                };
            }
        };
        let (name, refused) = match info.whole_name() {
            Ok(name) => (name, None),
            Err(error) => (info.name.clone(), refused(error)),
        };
        Self {
            name: Some(name),
            info: Some(info),
            refused,
        }
    }
}
