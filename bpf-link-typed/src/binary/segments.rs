//! Where in the file an address is, by its program headers. Sections mislead: a linker may give a
//! segment another distance between address and offset than its sections have.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::{Header, Segment};
use crate::error::Result;

/// No linker makes so many.
const MOST: u32 = 1 << 16;

/// The parts of a file that are loaded.
#[derive(Debug)]
pub(super) struct Segments {
    loaded: Vec<Segment>,
    notes: Vec<Segment>,
    dynamic: Option<Segment>,
}

impl Segments {
    /// Reads them; `count` is how many there are.
    pub(super) fn read(bytes: &FileBytes, header: &Header, count: u32) -> Result<Self> {
        const WHAT: &str = "the program headers";
        let mut all = Vec::new();
        if count > MOST {
            return Err(bytes.too_large(WHAT));
        }
        let size = header.format.segment_size();
        if count != 0 {
            if usize::from(header.segments.entry_size) != size {
                return Err(bytes.malformed(WHAT));
            }
            let len = u64::from(count) * size as u64;
            let region = bytes.region(header.segments.offset, len, WHAT)?;
            let most = MOST as usize * size;
            all = header.format.segments(&bytes.read(region, most, WHAT)?);
        }
        let of_kind = |kind| {
            let all = all.iter().copied();
            all.filter(move |segment: &Segment| segment.kind == kind)
        };
        Ok(Self {
            loaded: of_kind(elf::PT_LOAD).collect(),
            notes: of_kind(elf::PT_NOTE).collect(),
            dynamic: of_kind(elf::PT_DYNAMIC).next(),
        })
    }

    /// Where in the file this address is; with `code`, only if it is loaded to be run.
    pub(super) fn offset_of(&self, address: u64, code: bool) -> Option<u64> {
        self.translate(address, code, |one| one.address, |one| one.offset)
    }

    /// The address of what is there in the file; with `code`, only if it is loaded to be run.
    pub(super) fn address_of(&self, offset: u64, code: bool) -> Option<u64> {
        self.translate(offset, code, |one| one.offset, |one| one.address)
    }

    /// The same place, as far from the other beginning of its segment.
    fn translate(
        &self,
        place: u64,
        code: bool,
        from: impl Fn(&Segment) -> u64,
        to: impl Fn(&Segment) -> u64,
    ) -> Option<u64> {
        self.loaded.iter().find_map(|segment| {
            let within = place.checked_sub(from(segment))?;
            let is_there = within < segment.file_size && (!code || segment.is_code());
            is_there.then(|| to(segment).checked_add(within))?
        })
    }

    /// What is for the dynamic loader.
    pub(super) fn dynamic(&self) -> Option<&Segment> {
        self.dynamic.as_ref()
    }

    /// What is in a file of this length from the address on, up to the end of the segment.
    pub(super) fn rest_at(&self, address: u64, file_len: u64) -> Option<Region> {
        self.loaded.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            let len = segment.file_size.checked_sub(within)?;
            let offset = segment.offset.checked_add(within)?;
            let len = len.min(file_len.checked_sub(offset)?);
            (len != 0).then_some(Region { offset, len })
        })
    }

    /// The notes that are loaded, as far as they are in the file.
    pub(super) fn notes(&self, bytes: &FileBytes) -> Vec<Region> {
        let region = |segment: &Segment| {
            let region = bytes.region(segment.offset, segment.file_size, "a note");
            region.ok()
        };
        self.notes.iter().filter_map(region).collect()
    }
}

impl Segment {
    fn is_code(&self) -> bool {
        self.flags & elf::PF_X != 0
    }
}
