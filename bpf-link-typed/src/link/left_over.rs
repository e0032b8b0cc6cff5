//! What a killed run has left beside a pin.

use std::path::Path;

use bpf_link::{Error, PinEntry};

use crate::ensure::member::temporary_pins;
use crate::ensure::{Attached, Ours};
use crate::error::Result;
use crate::link::let_go::let_go;

/// Lets go of what a killed run has left beside the path, if that is ours. Whether it was.
pub(crate) fn let_go_of_left_over(path: &Path, ours: &Ours) -> Result<bool> {
    let mut was_there = false;
    for beside in temporary_pins(path) {
        // Another user's pin stays.
        let found = match bpf_link::check_owner(&beside) {
            Ok(()) => PinEntry::at(&beside)?,
            Err(Error::Exposed { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match found {
            PinEntry::Missing => break,
            PinEntry::NotALink => {}
            PinEntry::Link(mut link) => {
                if Attached::of(&link)?.map(|by| ours.is(by)).transpose()? == Some(true) {
                    let_go(&mut link)?;
                    was_there = true;
                }
            }
        }
    }
    Ok(was_there)
}
