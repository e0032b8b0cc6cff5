//! Decompressing a part of a file, in bounded memory.

use std::io::{self, Read as _};

use lzma_rust2::XzReader;

use super::bytes::{FileBytes, Region};
use crate::error::Result;

/// More than there is in any binary, compressed.
const MOST_PACKED: usize = 16 << 20;
/// More than there is in any binary: a million functions with their names.
const MOST: usize = 64 << 20;
/// What `xz -9` asks for, and what the decoder needs besides.
const MOST_MEMORY_KIB: u32 = (64 << 10) + 256;

/// Decompresses this part of the file, which is compressed with xz.
///
/// Data that needs more memory than the output of `xz -9` is refused before the memory is
/// allocated.
pub(super) fn unpack(bytes: &FileBytes, place: Region, what: &'static str) -> Result<Vec<u8>> {
    let packed = bytes.read(place, MOST_PACKED, what)?;
    let mut unpacked = Vec::new();
    let reader = XzReader::new_mem_limit(packed.as_slice(), true, MOST_MEMORY_KIB);
    match reader.take(MOST as u64 + 1).read_to_end(&mut unpacked) {
        Ok(len) if len <= MOST => Ok(unpacked),
        Ok(_) => Err(bytes.too_large(what)),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(bytes.too_large(what)),
        Err(_) => Err(bytes.malformed(what)),
    }
}
