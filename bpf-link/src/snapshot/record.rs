//! What the program writes for each link.

use std::mem::offset_of;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::iter_program::run;

/// What the program writes for one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Record {
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) program_id: u32,
    /// What these are, and the next, is for the fields to say.
    words: [u32; 5],
    wides: [u64; 3],
}

/// Where a record has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One of the numbers of 4 bytes.
    Word(usize),
    /// One of the numbers of 8 bytes.
    Wide(usize),
}

impl Place {
    /// Where that is in the record, in bytes.
    pub(super) const fn offset(self) -> usize {
        match self {
            Self::Word(nth) => offset_of!(Record, words) + nth * size_of::<u32>(),
            Self::Wide(nth) => offset_of!(Record, wides) + nth * size_of::<u64>(),
        }
    }

    /// How many bytes it takes.
    pub(super) const fn size(self) -> u32 {
        match self {
            Self::Word(_) => 4,
            Self::Wide(_) => 8,
        }
    }
}

impl run::Record for Record {
    fn link(&self) -> u32 {
        self.id
    }
}

impl Record {
    /// One that says no more than this.
    pub(super) const fn of(id: u32, kind: u32, program_id: u32) -> Self {
        Self {
            id,
            kind,
            program_id,
            words: [0; 5],
            wides: [0; 3],
        }
    }

    /// The same without the number at this place.
    pub(super) fn without(mut self, place: Place) -> Self {
        match place {
            Place::Word(nth) => {
                if let Some(word) = self.words.get_mut(nth) {
                    *word = 0;
                }
            }
            Place::Wide(nth) => {
                if let Some(wide) = self.wides.get_mut(nth) {
                    *wide = 0;
                }
            }
        }
        self
    }

    /// The number at this place.
    pub(super) fn at(&self, place: Place) -> u64 {
        match place {
            Place::Word(nth) => self.words.get(nth).copied().map_or(0, u64::from),
            Place::Wide(nth) => self.wides.get(nth).copied().unwrap_or(0),
        }
    }
}

const _: () = {
    // It is written in steps of 8 bytes.
    assert!(size_of::<Record>() % 8 == 0 && align_of::<Record>() == 8);
    // The stack of a program has 512 bytes.
    assert!(size_of::<Record>() < 256);
};
