//! Functions of programs and libraries by their offsets in the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::note::{NamesOf, Notes};
use crate::binary::{Binary, SymbolOffset};

/// What has been asked about files. No file stays open.
#[derive(Debug, Default)]
pub(super) struct Binaries(Mutex<HashMap<PathBuf, Known>>);

/// What is at the offsets that have been asked for.
type Known = HashMap<u64, Option<Arc<SymbolOffset>>>;

impl Binaries {
    /// The function that each of these places is in. The symbols are read once for all that are not
    /// known yet.
    pub(super) fn at(
        &self,
        path: &Path,
        offsets: &[u64],
        notes: &Notes,
    ) -> Vec<Option<Arc<SymbolOffset>>> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match files.get_mut(path) {
            Some(known) => known,
            None => files.entry(path.to_owned()).or_default(),
        };
        let unknown = offsets.iter().copied();
        let unknown: Vec<_> = unknown
            .filter(|offset| !known.contains_key(offset))
            .collect();
        if !unknown.is_empty() {
            let found = Binary::open(path).and_then(|binary| binary.symbols_at(&unknown));
            let found = found.unwrap_or_else(|error| {
                notes.add(NamesOf::BinaryFunctions, error);
                vec![None; unknown.len()]
            });
            let found = found.into_iter().map(|symbol| symbol.map(Arc::new));
            known.extend(unknown.into_iter().zip(found));
        }
        let symbols = offsets.iter().map(|offset| known.get(offset).cloned());
        symbols.map(Option::flatten).collect()
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
