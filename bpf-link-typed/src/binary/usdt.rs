//! USDT probes, as notes describe them.

use object::elf;

use super::format::Format;
use super::image::Image;
use super::notes::{self, Note};
use crate::error::Result;

/// `NT_STAPSDT`
const PROBE: u32 = 3;
/// More than any binary has.
const MOST: usize = 1 << 20;

/// One place of a USDT probe: a probe has one for each time that the compiler has placed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsdtPlace {
    /// Who provides the probe.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// Where the instruction is, in bytes from the start of the file.
    pub offset: u64,
    /// Where the 16-bit reference counter (the semaphore) is, in bytes from the start of the file;
    /// `None` if the probe does not have one. The traced program looks at it to see whether the
    /// probe is used.
    pub ref_ctr_offset: Option<u64>,
    /// Where the arguments are when the probe is reached, as the note has it, such as
    /// `-4@%edi 8@-16(%rbp)`. The BPF program has to read them itself.
    pub arguments: String,
}

/// All places, in the order of the notes; those whose address is not in the file are left out.
pub(super) fn places(
    image: &Image,
    mut picks: impl FnMut(&str, &str) -> bool,
) -> Result<Vec<UsdtPlace>> {
    let mut places = Vec::new();
    let base = base(image)?;
    notes::each(image, |note| {
        if note.owner != b"stapsdt\0" || note.kind != PROBE {
            return Ok(());
        }
        let probe = Probe::read(image.header.format, note);
        let probe = probe.ok_or_else(|| image.bytes.malformed("the note of a USDT probe"))?;
        if !picks(&probe.provider, &probe.name) {
            return Ok(());
        }
        if places.len() == MOST {
            return Err(image.bytes.too_large("the USDT probes"));
        }
        places.extend(probe.place(image, base));
        Ok(())
    })?;
    Ok(places)
}

/// Where the linker's `.stapsdt.base` is: when something has moved the binary to other addresses,
/// the notes still have the former ones.
fn base(image: &Image) -> Result<Option<u64>> {
    let section = image
        .sections
        .named(&image.bytes, ".stapsdt.base", elf::SHT_PROGBITS)?;
    Ok(section.map(|section| section.address))
}

/// What a note says.
struct Probe {
    address: u64,
    base: u64,
    counter: u64,
    provider: String,
    name: String,
    arguments: String,
}

impl Probe {
    fn read(format: Format, note: &Note<'_>) -> Option<Self> {
        let (address, rest) = format.word(note.contents)?;
        let (base, rest) = format.word(rest)?;
        let (counter, rest) = format.word(rest)?;
        let (provider, rest) = text(rest)?;
        let (name, rest) = text(rest)?;
        let (arguments, _) = text(rest)?;
        Some(Self {
            address,
            base,
            counter,
            provider,
            name,
            arguments,
        })
    }

    fn place(self, image: &Image, base: Option<u64>) -> Option<UsdtPlace> {
        let moved = match base {
            Some(base) if self.base != 0 => base.wrapping_sub(self.base),
            _ => 0,
        };
        let segments = &image.segments;
        let counter = match self.counter {
            0 => None,
            counter => Some(segments.offset_of(counter.wrapping_add(moved), false)?),
        };
        Some(UsdtPlace {
            offset: segments.offset_of(self.address.wrapping_add(moved), true)?,
            ref_ctr_offset: counter,
            provider: self.provider,
            name: self.name,
            arguments: self.arguments,
        })
    }
}

/// A text up to its NUL, and what follows.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let len = memchr::memchr(0, bytes)?;
    let (text, rest) = bytes.split_at_checked(len)?;
    let text = String::from_utf8_lossy(text).into_owned();
    Some((text, rest.get(1..)?))
}
