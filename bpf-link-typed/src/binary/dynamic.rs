//! The tables that the dynamic loader uses (`PT_DYNAMIC`), which are found by address. Files
//! without section headers have them as well.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::Header;
use super::segments::Segments;
use super::versions::{self, Versions};
use crate::error::Result;

/// More than any file has, in bytes.
const MOST: usize = 1 << 20;
const WHAT: &str = "the dynamic section";
const HASHES: &str = "the hashes of its exported symbols";

/// The tags of a file and their values.
#[derive(Debug)]
pub(super) struct Dynamic<'a> {
    bytes: &'a FileBytes,
    header: &'a Header,
    segments: &'a Segments,
    entries: Vec<(u64, u64)>,
}

impl<'a> Dynamic<'a> {
    /// Reads them; `None` if the file is not for a dynamic loader.
    pub(super) fn read(
        bytes: &'a FileBytes,
        header: &'a Header,
        segments: &'a Segments,
    ) -> Result<Option<Self>> {
        let Some(segment) = segments.dynamic() else {
            return Ok(None);
        };
        let region = bytes.region(segment.offset, segment.file_size, WHAT)?;
        let mut entries = header.format.dynamic(&bytes.read(region, MOST, WHAT)?);
        let end = entries.iter().position(|(tag, _)| *tag == 0);
        entries.truncate(end.unwrap_or(entries.len()));
        Ok(Some(Self {
            bytes,
            header,
            segments,
            entries,
        }))
    }

    /// The values of all entries with this tag.
    pub(super) fn all(&self, tag: u32) -> impl Iterator<Item = u64> {
        let entries = self.entries.iter();
        entries.filter_map(move |(of, value)| (*of == u64::from(tag)).then_some(*value))
    }

    fn value(&self, tag: u32) -> Option<u64> {
        self.all(tag).next()
    }

    /// The names of its symbols, versions and libraries.
    pub(super) fn strings(&self) -> Result<Region> {
        const WHAT: &str = "a table of strings";
        let place = self.value(elf::DT_STRTAB).zip(self.value(elf::DT_STRSZ));
        let strings = place.and_then(|(address, len)| self.rest_at(address)?.first(len));
        strings.ok_or_else(|| self.bytes.malformed(WHAT))
    }

    /// What it exports and imports; `None` if there is nothing that a loader finds by name.
    pub(super) fn symbols(&self) -> Result<Option<Region>> {
        let (Some(address), Some(count)) = (self.value(elf::DT_SYMTAB), self.count()?) else {
            return Ok(None);
        };
        let size = self.header.format.symbol_size() as u64;
        let len = count.checked_mul(size);
        let symbols = len.and_then(|len| self.rest_at(address)?.first(len));
        let malformed = || self.bytes.malformed("a table of symbols");
        symbols.map(Some).ok_or_else(malformed)
    }

    /// The versions of so many symbols.
    pub(super) fn versions(&self, symbols: Region) -> Result<Option<Versions>> {
        let Some(address) = self.value(elf::DT_VERSYM) else {
            return Ok(None);
        };
        let len = symbols.len / self.header.format.symbol_size() as u64 * 2;
        let malformed = || self.bytes.malformed(versions::WHAT);
        let of_symbols = self.rest_at(address).and_then(|rest| rest.first(len));
        let of_symbols = of_symbols.ok_or_else(malformed)?;
        let defined = match self.value(elf::DT_VERDEF) {
            Some(address) => Some(self.rest_at(address).ok_or_else(malformed)?),
            None => None,
        };
        // The last one says that it is.
        let defined = defined.map(|rest| rest.first(versions::MOST as u64).unwrap_or(rest));
        let format = self.header.format;
        Versions::read(self.bytes, format, of_symbols, defined, self.strings()?).map(Some)
    }

    /// The number of symbols, which only the hash tables tell.
    fn count(&self) -> Result<Option<u64>> {
        let count = if let Some(address) = self.value(elf::DT_HASH) {
            self.count_of_hashes(address)?
        } else if let Some(address) = self.value(elf::DT_GNU_HASH) {
            self.count_of_gnu_hashes(address)?
        } else {
            return Ok(None);
        };
        let malformed = || self.bytes.malformed(HASHES);
        count.map(Some).ok_or_else(malformed)
    }

    /// `nbucket`, and `nchain`, which is as many as there are symbols.
    fn count_of_hashes(&self, address: u64) -> Result<Option<u64>> {
        let format = self.header.format;
        let is_long = format.is_64 && matches!(self.header.machine, elf::EM_ALPHA | elf::EM_S390);
        let len = if is_long { 16 } else { 8 };
        let Some(region) = self.rest_at(address).and_then(|rest| rest.first(len)) else {
            return Ok(None);
        };
        let head = self.bytes.read(region, 16, HASHES)?;
        Ok(if is_long {
            let chains = format.word(&head).and_then(|(_, rest)| format.word(rest));
            chains.map(|(chains, _)| chains)
        } else {
            let chains = format.u32(&head).and_then(|(_, rest)| format.u32(rest));
            chains.map(|(chains, _)| chains.into())
        })
    }

    /// The last symbol is the last one of the chain that begins last.
    fn count_of_gnu_hashes(&self, address: u64) -> Result<Option<u64>> {
        const HEAD: u64 = 16;
        const ENTRY: u64 = 4;
        let format = self.header.format;
        let Some(rest) = self.rest_at(address) else {
            return Ok(None);
        };
        let Some(head) = rest.first(HEAD) else {
            return Ok(None);
        };
        let head = self.bytes.read(head, 16, HASHES)?;
        let mut numbers = [0_u64; 3];
        let mut after = head.as_slice();
        for number in &mut numbers {
            let Some((read, next)) = format.u32(after) else {
                return Ok(None);
            };
            (*number, after) = (read.into(), next);
        }
        let [buckets, first, filters] = numbers;
        let filter = if format.is_64 { 8 } else { 4 };
        let Some(rest) = rest.after(HEAD + filters * filter) else {
            return Ok(None);
        };
        let Some((buckets, chains)) = rest.first(buckets * ENTRY).zip(rest.after(buckets * ENTRY))
        else {
            return Ok(None);
        };
        let mut last = 0;
        self.bytes.in_pieces(buckets, 4, |piece| {
            let mut piece = piece;
            while let Some((bucket, next)) = format.u32(piece) {
                last = last.max(u64::from(bucket));
                piece = next;
            }
            Ok(())
        })?;
        // Those before the first are in no chain.
        let Some(from) = last.checked_sub(first) else {
            return Ok(Some(first));
        };
        let Some(chain) = chains.after(from * ENTRY) else {
            return Ok(None);
        };
        Ok(self.len_of_chain(chain)?.map(|len| last + len))
    }

    /// How many hashes there are up to the one that ends the chain.
    fn len_of_chain(&self, chain: Region) -> Result<Option<u64>> {
        const PIECE: u64 = 256;
        let (mut rest, mut len) = (chain, 0);
        while rest.len >= 4 {
            let piece = rest.first(rest.len.min(PIECE)).unwrap_or(rest);
            let hashes = self.bytes.read(piece, 256, HASHES)?;
            let mut hashes = hashes.as_slice();
            while let Some((hash, next)) = self.header.format.u32(hashes) {
                len += 1;
                if hash & 1 == 1 {
                    return Ok(Some(len));
                }
                hashes = next;
            }
            let Some(next) = rest.after(piece.len) else {
                break;
            };
            rest = next;
        }
        Ok(None)
    }

    fn rest_at(&self, address: u64) -> Option<Region> {
        self.segments.rest_at(address, self.bytes.len())
    }
}
