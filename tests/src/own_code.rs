//! Where this program's functions are in its file, for probes.

use std::path::Path;

use anyhow::{Context as _, Result};

/// The file that this program runs from, under the name that it always has.
pub const FILE: &str = "/proc/self/exe";

/// Where in [`FILE`] the code of a function is.
///
/// The function should not be inlined, and should be `extern "C"`, so that it is called where it
/// is.
///
/// # Errors
///
/// `/proc` is not there, or the function is of another file.
pub fn offset_of(function: *const ()) -> Result<u64> {
    const MAPS: &str = "/proc/self/maps";
    let address = function as u64;
    let file = std::fs::read_link(FILE).context(FILE)?;
    let maps = std::fs::read_to_string(MAPS).context(MAPS)?;
    let found = maps
        .lines()
        .filter_map(Mapping::parse)
        .find(|mapping| mapping.start <= address && address < mapping.end && mapping.file == file);
    let mapping = found.with_context(|| format!("{address:#x} is not in a mapping of {FILE}"))?;
    Ok(address - mapping.start + mapping.offset)
}

/// A line of `/proc/self/maps`: `start-end permissions offset device inode file`.
struct Mapping<'a> {
    start: u64,
    end: u64,
    offset: u64,
    file: &'a Path,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let offset = fields.nth(1)?;
        let file = fields.nth(2)?;
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            offset: u64::from_str_radix(offset, 16).ok()?,
            file: Path::new(file),
        })
    }
}
