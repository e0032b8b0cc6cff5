//! The symbols that are compressed into a stripped binary.
//!
//! `.gnu_debugdata` is an ELF file of its own, compressed with xz, of which little more than
//! `.symtab` is left. Distributions put it in so that backtraces have the names of local functions.

use object::elf;

use super::bytes::Region;
use super::image::Image;
use super::sections::Sections;
#[cfg(feature = "elf-xz")]
use super::unpack::unpack;
use crate::error::Result;

/// What it is called in errors.
const WHAT: &str = "the symbols that are compressed into it (.gnu_debugdata)";

/// Whether the binary has a `.gnu_debugdata`.
pub(super) fn is_there(image: &Image) -> Result<bool> {
    Ok(place(image)?.is_some())
}

/// Unpacks the ELF file in the binary's `.gnu_debugdata` into memory; `None` if the binary has no
/// such section.
#[cfg(feature = "elf-xz")]
pub(super) fn read(image: &Image) -> Result<Option<Image>> {
    let Some(place) = place(image)? else {
        return Ok(None);
    };
    let unpacked = unpack(&image.bytes, place, WHAT)?;
    match Image::of_bytes(image.bytes.with_unpacked(unpacked)) {
        Ok(unpacked) => Ok(Some(unpacked)),
        Err(_) => Err(image.bytes.malformed(WHAT)),
    }
}

/// Nothing, without the feature that it takes.
#[cfg(not(feature = "elf-xz"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
pub(super) fn read(_image: &Image) -> Result<Option<Image>> {
    Ok(None)
}

fn place(image: &Image) -> Result<Option<Region>> {
    let bytes = &image.bytes;
    let section = image
        .sections
        .named(bytes, ".gnu_debugdata", elf::SHT_PROGBITS)?;
    let place = section.map(|section| Sections::contents(bytes, section, WHAT));
    place.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BinaryProblem, Error};
    use crate::{Binary, error};

    /// A stripped program of 64 bits with this section.
    fn file(data: &[u8]) -> Vec<u8> {
        const NAMES: &[u8] = b"\0.gnu_debugdata\0";
        let contents = 64;
        let names = contents + data.len() as u64;
        let headers = names + NAMES.len() as u64;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3_u16, 62].map(u16::to_le_bytes).concat());
        file.extend(1_u32.to_le_bytes());
        file.extend([0, 0, headers].map(u64::to_le_bytes).concat());
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 0, 0, 64, 3, 2].map(u16::to_le_bytes).concat());
        file.extend(data);
        file.extend(NAMES);
        for (name, kind, offset, len) in [
            (0, 0, 0, 0),
            (1, elf::SHT_PROGBITS, contents, data.len()),
            (0, elf::SHT_STRTAB, names, NAMES.len()),
        ] {
            file.extend([name, kind].map(u32::to_le_bytes).concat());
            let numbers = [0, 0, offset, len as u64, 0, 1, 0];
            file.extend(numbers.map(u64::to_le_bytes).concat());
        }
        file
    }

    fn refused(data: &[u8]) -> BinaryProblem {
        let name = format!("bpf-link-{}-{}", std::process::id(), data.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, file(data)).expect("it is written");
        let binary = Binary::open(&path);
        std::fs::remove_file(&path).expect("it was there");
        let result: error::Result<_> = binary.and_then(|binary| binary.function("internal"));
        match result {
            Err(Error::Binary { problem, .. }) => *problem,
            other => panic!("{other:?}"),
        }
    }

    /// With the feature it is read, and without it the error says that it was not.
    #[test]
    fn what_is_not_read_is_said() {
        let problem = refused(b"this is not compressed");
        if cfg!(feature = "elf-xz") {
            assert_eq!(problem, BinaryProblem::Malformed { what: WHAT });
        } else {
            let BinaryProblem::Stripped {
                has_unread_symbols, ..
            } = problem
            else {
                panic!("{problem:?}");
            };
            assert!(has_unread_symbols);
        }
    }
}
