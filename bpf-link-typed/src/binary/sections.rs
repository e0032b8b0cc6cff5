//! The sections that symbols and notes are found by.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::{Header, Section};
use super::strings::Strings;
use crate::error::Result;

/// No linker of programs and libraries makes so many.
const MOST: u32 = 1 << 16;
/// What the section headers are called in errors.
const WHAT: &str = "the section headers";

/// All sections of a file, or nothing if the headers of the sections were stripped.
#[derive(Debug)]
pub(super) struct Sections {
    all: Vec<Section>,
    names: u32,
    /// How many segments there are, if that is more than the file's header has room for.
    pub(super) segments: Option<u32>,
}

impl Sections {
    pub(super) fn read(bytes: &FileBytes, header: &Header) -> Result<Self> {
        let table = header.sections;
        let size = header.format.section_size();
        if table.offset == 0 {
            let (all, names, segments) = (Vec::new(), 0, None);
            return Ok(Self {
                all,
                names,
                segments,
            });
        }
        if usize::from(table.entry_size) != size {
            return Err(bytes.malformed(WHAT));
        }
        let read = |count: u32| {
            if count > MOST {
                return Err(bytes.too_large(WHAT));
            }
            let region = bytes.region(table.offset, u64::from(count) * size as u64, WHAT)?;
            Ok(header
                .format
                .sections(&bytes.read(region, MOST as usize * size, WHAT)?))
        };
        // What the file's header has no room for is in the first section.
        let first = read(1)?.first().copied();
        let larger = |number: u64| u32::try_from(number).map_err(|_| bytes.too_large(WHAT));
        let count = match (table.count, first) {
            (0, Some(first)) => larger(first.size)?,
            (count, _) => count.into(),
        };
        let names = match (header.section_names, first) {
            (names, Some(first)) if names == u32::from(elf::SHN_XINDEX) => first.link,
            (names, _) => names,
        };
        let is_more = header.segments.count == elf::PN_XNUM;
        Ok(Self {
            all: read(count)?,
            names,
            segments: first.filter(|_| is_more).map(|first| first.info),
        })
    }

    /// The file has no section headers.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn of_kind(&self, kind: u32) -> impl Iterator<Item = &Section> {
        let all = self.all.iter();
        all.filter(move |section| section.kind == kind)
    }

    /// Where the contents of a section are.
    pub(super) fn contents(
        bytes: &FileBytes,
        section: &Section,
        what: &'static str,
    ) -> Result<Region> {
        if section.flags & u64::from(elf::SHF_COMPRESSED) != 0 {
            return Err(bytes.malformed(what));
        }
        bytes.region(section.offset, section.size, what)
    }

    /// The contents of the section with the strings of this one.
    pub(super) fn strings_of(&self, bytes: &FileBytes, section: &Section) -> Result<Region> {
        const WHAT: &str = "a table of strings";
        let strings = usize::try_from(section.link).ok();
        let strings = strings.and_then(|index| self.all.get(index));
        match strings {
            Some(strings) if strings.kind == elf::SHT_STRTAB => {
                Self::contents(bytes, strings, WHAT)
            }
            _ => Err(bytes.malformed(WHAT)),
        }
    }

    /// The first section of this name and kind that has contents.
    pub(super) fn named(
        &self,
        bytes: &FileBytes,
        name: &str,
        kind: u32,
    ) -> Result<Option<&Section>> {
        let names = usize::try_from(self.names).ok();
        let Some(names) = names.and_then(|index| self.all.get(index)) else {
            return Ok(None);
        };
        let region = Self::contents(bytes, names, "the names of the sections")?;
        let mut strings = Strings::new(bytes, region);
        for section in self.of_kind(kind) {
            if strings.at(section.name)? == name.as_bytes() {
                return Ok(Some(section));
            }
        }
        Ok(None)
    }
}
