//! ELF files made by hand: of either size and order of bytes, with code whose address and offset
//! differ, symbols, versions, notes and USDT probes.

mod file;
mod out;
mod parts;

use std::io::{self, Write as _};

use lzma_rust2::{XzOptions, XzWriter};
use out::Out;

pub use file::{EXECUTABLE, ElfFile, ElfProbe, ElfSymbol, SHARED};
pub(crate) use parts::code;
pub use parts::{CODE, CODE_ADDRESS, HOT, HOT_ADDRESS, SEMAPHORES, SEMAPHORES_ADDRESS};

impl ElfFile {
    /// The whole file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut out = Out::new(self.is_64, self.is_big);
        parts::write(self, &mut out);
        out.bytes
    }
}

/// Compresses bytes with xz, as `.gnu_debugdata` has them.
///
/// # Errors
///
/// What the encoder answered.
pub fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(0))?;
    writer.write_all(bytes)?;
    writer.finish()
}
