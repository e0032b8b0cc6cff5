//! The notes in a binary: who built it, and USDT probes.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::Format;
use super::image::Image;
use super::sections::Sections;
use crate::error::Result;

/// More than any binary has in all, in bytes.
const MOST: usize = 16 << 20;
const WHAT: &str = "a note";

/// One note.
#[derive(Debug)]
pub(super) struct Note<'a> {
    /// With the NUL at its end.
    pub(super) owner: &'a [u8],
    pub(super) kind: u32,
    pub(super) contents: &'a [u8],
}

/// Hands over each note.
pub(super) fn each(image: &Image, mut visit: impl FnMut(&Note<'_>) -> Result<()>) -> Result<()> {
    let bytes = &image.bytes;
    for region in regions(image)? {
        let section = bytes.read(region, MOST, WHAT)?;
        let mut rest = section.as_slice();
        while !rest.is_empty() {
            let (note, next) = read(bytes, image.header.format, rest)?;
            visit(&note)?;
            rest = next;
        }
    }
    Ok(())
}

/// Where notes are: by the sections, as those that are not loaded are in no segment.
fn regions(image: &Image) -> Result<Vec<Region>> {
    let bytes = &image.bytes;
    let sections = image.sections.of_kind(elf::SHT_NOTE);
    let regions = sections.map(|section| Sections::contents(bytes, section, WHAT));
    let regions = regions.collect::<Result<Vec<_>>>()?;
    let regions = if regions.is_empty() {
        image.segments.notes(bytes)
    } else {
        regions
    };
    let len = regions.iter().map(|region| region.len);
    if len.fold(0, u64::saturating_add) > MOST as u64 {
        return Err(bytes.too_large("the notes"));
    }
    Ok(regions)
}

/// The first note, and what follows it.
fn read<'a>(bytes: &FileBytes, format: Format, section: &'a [u8]) -> Result<(Note<'a>, &'a [u8])> {
    let note = split(format, section);
    note.ok_or_else(|| bytes.malformed(WHAT))
}

fn split(format: Format, section: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let (owner_len, rest) = format.u32(section)?;
    let (contents_len, rest) = format.u32(rest)?;
    let (kind, rest) = format.u32(rest)?;
    let (owner, rest) = padded(rest, owner_len)?;
    let (contents, rest) = padded(rest, contents_len)?;
    let note = Note {
        owner,
        kind,
        contents,
    };
    Some((note, rest))
}

/// So many bytes, and what follows them and fills them up to a multiple of four.
fn padded(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let len = usize::try_from(len).ok()?;
    let whole = bytes.get(..len)?;
    let after = len.checked_next_multiple_of(4)?.min(bytes.len());
    Some((whole, bytes.get(after..)?))
}

/// What the linker has called this binary, by its contents.
pub(super) fn build_id(image: &Image) -> Result<Option<Vec<u8>>> {
    const LONGEST: usize = 64;
    let mut found = None;
    each(image, |note| {
        let is_id = note.owner == b"GNU\0" && note.kind == elf::NT_GNU_BUILD_ID;
        if is_id && (1..=LONGEST).contains(&note.contents.len()) {
            found.get_or_insert_with(|| note.contents.to_owned());
        }
        Ok(())
    })?;
    Ok(found)
}
