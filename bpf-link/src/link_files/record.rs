//! What the program writes for each file that is a link's.

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::iter_program::run;

/// What the program writes for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Record {
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) fd: u32,
    pub(super) link: u32,
    pub(super) kind: u32,
    /// Nothing: what follows is written 8 bytes at a time.
    pub(super) padding: u32,
    /// The name of the process, and a NUL.
    pub(super) comm: [u8; COMM],
}

/// `TASK_COMM_LEN`
pub(super) const COMM: usize = 16;

impl run::Record for Record {
    fn link(&self) -> u32 {
        self.link
    }
}

// It is set to 0 in steps of 8 bytes.
const _: () = assert!(size_of::<Record>() % 8 == 0 && size_of::<Record>() < 256);
