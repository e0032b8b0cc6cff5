//! The file that has the symbols that a binary was stripped of.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use object::elf;

use super::bytes::{FileBytes, Region};
use super::image::Image;
use super::notes;
use super::root::Root;
use super::sections::Sections;
use crate::error::Result;

/// Where distributions put debug files.
const DIRECTORY: &str = "/usr/lib/debug";

/// Finds it, by the build id or by the name that the binary has for it; `None` if no file was made
/// from this very binary. `path` is the path of the binary below the root.
pub(super) fn find(image: &Image, root: &Root, path: &Path) -> Result<Option<Image>> {
    let build_id = notes::build_id(image)?;
    if let Some(build_id) = &build_id {
        if let Some(file) = by_build_id(build_id) {
            if let Some(found) = open(root, &file, |found| is_of(found, build_id)) {
                return Ok(Some(found));
            }
        }
    }
    let Some((name, checksum)) = debug_link(image)? else {
        return Ok(None);
    };
    let is_right = |found: &Image| match &build_id {
        Some(build_id) => is_of(found, build_id),
        None => crc32(&found.bytes).is_ok_and(|found| found == checksum),
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let below = directory.strip_prefix("/").unwrap_or(directory);
    let candidates = [
        directory.join(&name),
        directory.join(".debug").join(&name),
        Path::new(DIRECTORY).join(below).join(&name),
    ];
    Ok(candidates
        .iter()
        .find_map(|candidate| open(root, candidate, is_right)))
}

/// The file at this path, if it is one with symbols and the right one. One that is malformed is not
/// the binary's fault, and is passed over.
fn open(root: &Root, path: &Path, is_right: impl Fn(&Image) -> bool) -> Option<Image> {
    let file = root.open_file(path).ok()?;
    let image = Image::read(file, root.name(path)).ok()?;
    (image.has_all_symbols() && is_right(&image)).then_some(image)
}

fn is_of(found: &Image, build_id: &[u8]) -> bool {
    notes::build_id(found).is_ok_and(|found| found.as_deref() == Some(build_id))
}

/// `.build-id/ab/cdef.debug`
fn by_build_id(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    let mut path = format!("{DIRECTORY}/.build-id/{first:02x}/");
    for byte in rest {
        let _ = write!(path, "{byte:02x}");
    }
    Some(PathBuf::from(path + ".debug"))
}

/// The name in `.gnu_debuglink`, and the checksum of the file that is meant.
fn debug_link(image: &Image) -> Result<Option<(String, u32)>> {
    const WHAT: &str = "the name of its debug file";
    const LONGEST: usize = 4096;
    let bytes = &image.bytes;
    let section = image
        .sections
        .named(bytes, ".gnu_debuglink", elf::SHT_PROGBITS)?;
    let Some(section) = section else {
        return Ok(None);
    };
    let link = bytes.read(Sections::contents(bytes, section, WHAT)?, LONGEST, WHAT)?;
    let link = split_link(image, &link);
    let (name, checksum) = link.ok_or_else(|| bytes.malformed(WHAT))?;
    // A name, and not a way out of the directory.
    let is_name = !name.is_empty() && name != ".." && name != "." && !name.contains('/');
    Ok(is_name.then_some((name, checksum)))
}

fn split_link(image: &Image, link: &[u8]) -> Option<(String, u32)> {
    let len = memchr::memchr(0, link)?;
    let name = std::str::from_utf8(link.get(..len)?).ok()?;
    let checksum = link.get((len + 1).next_multiple_of(4)..)?;
    let (checksum, _) = image.header.format.u32(checksum)?;
    Some((name.to_owned(), checksum))
}

/// The checksum of a whole file, as in `.gnu_debuglink`.
fn crc32(bytes: &FileBytes) -> Result<u32> {
    let mut checksum = u32::MAX;
    let whole = Region {
        offset: 0,
        len: bytes.len(),
    };
    bytes.in_pieces(whole, 1, |piece| {
        checksum = piece.iter().fold(checksum, |checksum, byte| {
            let index = (checksum ^ u32::from(*byte)) & 0xff;
            let entry = TABLE.get(index as usize).copied().unwrap_or_default();
            checksum >> 8 ^ entry
        });
        Ok(())
    })?;
    Ok(!checksum)
}

/// What each byte changes of the checksum.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let mut entry = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 0 {
                entry >> 1
            } else {
                entry >> 1 ^ 0xedb8_8320
            };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "it is below 256")]
        {
            table[byte] = entry;
        }
        byte += 1;
    }
    table
};
