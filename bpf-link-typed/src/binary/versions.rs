//! The versions of a library's symbols.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::Format;
use super::sections::Sections;
use super::strings::Strings;
use crate::error::Result;

/// More than any library has, in bytes.
pub(super) const MOST: usize = 1 << 20;
/// A number has 15 bits.
const MOST_VERSIONS: usize = 1 << 15;
const LONGEST_NAME: usize = 1 << 10;
pub(super) const WHAT: &str = "the versions of its symbols";

/// Which version each exported symbol has.
#[derive(Debug)]
pub(super) struct Versions {
    of_symbols: Region,
    /// By their numbers.
    names: Vec<(u16, String)>,
}

/// The version of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: String,
    /// It is the one that a program gets that is linked now.
    pub(super) is_default: bool,
}

impl Versions {
    /// Those of a file, with the strings of its exported symbols.
    pub(super) fn find(
        bytes: &FileBytes,
        format: Format,
        sections: &Sections,
        strings: Region,
    ) -> Result<Option<Self>> {
        let Some(of_symbols) = sections.of_kind(elf::SHT_GNU_VERSYM).next() else {
            return Ok(None);
        };
        let of_symbols = Sections::contents(bytes, of_symbols, WHAT)?;
        let defined = match sections.of_kind(elf::SHT_GNU_VERDEF).next() {
            Some(defined) => Some(Sections::contents(bytes, defined, WHAT)?),
            None => None,
        };
        Self::read(bytes, format, of_symbols, defined, strings).map(Some)
    }

    /// What is in these parts of the file.
    pub(super) fn read(
        bytes: &FileBytes,
        format: Format,
        of_symbols: Region,
        defined: Option<Region>,
        strings: Region,
    ) -> Result<Self> {
        let mut names = Vec::new();
        if let Some(defined) = defined {
            let defined = bytes.read(defined, MOST, WHAT)?;
            let mut strings = Strings::new(bytes, strings);
            names = read(bytes, format, &defined, &mut strings)?;
        }
        Ok(Self { of_symbols, names })
    }

    /// The version of the symbol with this number.
    pub(super) fn of(
        &self,
        bytes: &FileBytes,
        format: Format,
        index: u64,
    ) -> Result<Option<Version>> {
        let place = index.saturating_mul(2);
        if place.saturating_add(2) > self.of_symbols.len {
            return Ok(None);
        }
        let mut entry = [0; 2];
        bytes.read_into(self.of_symbols.offset.saturating_add(place), &mut entry)?;
        let (entry, _) = format.u16(&entry).unwrap_or_default();
        let number = entry & elf::VERSYM_VERSION;
        let name = self.names.iter().find(|(of, _)| *of == number);
        Ok(name.map(|(_, name)| Version {
            name: name.clone(),
            is_default: entry & elf::VERSYM_HIDDEN == 0,
        }))
    }
}

/// The versions that a library defines, by their numbers.
fn read(
    bytes: &FileBytes,
    format: Format,
    defined: &[u8],
    strings: &mut Strings<'_>,
) -> Result<Vec<(u16, String)>> {
    let mut names = Vec::new();
    let mut rest = defined;
    while let Some(entry) = Definition::read(format, rest) {
        if !entry.is_file {
            let name = strings.at(entry.name)?;
            if name.len() > LONGEST_NAME || names.len() == MOST_VERSIONS {
                return Err(bytes.too_large(WHAT));
            }
            names.push((entry.number, String::from_utf8_lossy(name).into_owned()));
        }
        match rest.get(entry.next..) {
            Some(next) if entry.next != 0 => rest = next,
            _ => break,
        }
    }
    Ok(names)
}

/// `Verdef` with its first `Verdaux`.
struct Definition {
    number: u16,
    /// It stands for the file itself.
    is_file: bool,
    name: u32,
    /// How many bytes after this the next one is.
    next: usize,
}

impl Definition {
    fn read(format: Format, bytes: &[u8]) -> Option<Self> {
        let (_version, rest) = format.u16(bytes)?;
        let (flags, rest) = format.u16(rest)?;
        let (number, rest) = format.u16(rest)?;
        let (_count, rest) = format.u16(rest)?;
        let (_hash, rest) = format.u32(rest)?;
        let (auxiliary, rest) = format.u32(rest)?;
        let (next, _) = format.u32(rest)?;
        let auxiliary = bytes.get(usize::try_from(auxiliary).ok()?..)?;
        Some(Self {
            number: number & elf::VERSYM_VERSION,
            is_file: flags & elf::VER_FLG_BASE != 0,
            name: format.u32(auxiliary)?.0,
            next: usize::try_from(next).ok()?,
        })
    }
}
