//! The structures of ELF, of either size and either order of bytes, as plain numbers.

use object::elf;
use object::endian::{Endian as _, Endianness};
use object::pod;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _, Sym as _};

/// The size and the order of what is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) is_64: bool,
    pub(super) endian: Endianness,
}

/// What a file begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) file_type: u16,
    pub(super) machine: u16,
    pub(super) segments: Table,
    pub(super) sections: Table,
    pub(super) section_names: u32,
}

/// Where a table of headers is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) offset: u64,
    pub(super) entry_size: u16,
    pub(super) count: u16,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) file_size: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
}

/// An entry of a table of symbols.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableSymbol {
    pub(super) name: u32,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) kind: u8,
    pub(super) binding: u8,
    pub(super) visibility: u8,
    pub(super) section: u16,
}

/// The longest that a header is.
pub(super) const LONGEST_HEADER: usize = size_of::<elf::FileHeader64<Endianness>>();

/// Calls a function for the type of this file's headers.
macro_rules! for_size {
    ($format:expr, $function:ident($($argument:expr),*)) => {
        if $format.is_64 {
            $function::<elf::FileHeader64<Endianness>>($($argument),*)
        } else {
            $function::<elf::FileHeader32<Endianness>>($($argument),*)
        }
    };
}

impl Header {
    /// Reads it from the first bytes of a file; `None` if that is not an ELF file.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [0x7f, b'E', b'L', b'F', class, order, ..] = bytes else {
            return None;
        };
        let format = Format {
            is_64: match *class {
                elf::ELFCLASS32 => false,
                elf::ELFCLASS64 => true,
                _ => return None,
            },
            endian: match *order {
                elf::ELFDATA2LSB => Endianness::Little,
                elf::ELFDATA2MSB => Endianness::Big,
                _ => return None,
            },
        };
        for_size!(format, header(bytes, format))
    }
}

fn header<E: FileHeader<Endian = Endianness>>(bytes: &[u8], format: Format) -> Option<Header> {
    let (header, _) = pod::from_bytes::<E>(bytes).ok()?;
    let endian = format.endian;
    Some(Header {
        format,
        file_type: header.e_type(endian),
        machine: header.e_machine(endian),
        segments: Table {
            offset: header.e_phoff(endian).into(),
            entry_size: header.e_phentsize(endian),
            count: header.e_phnum(endian),
        },
        sections: Table {
            offset: header.e_shoff(endian).into(),
            entry_size: header.e_shentsize(endian),
            count: header.e_shnum(endian),
        },
        section_names: header.e_shstrndx(endian).into(),
    })
}

impl Format {
    /// That of this program.
    pub(super) fn native() -> Self {
        Self {
            is_64: cfg!(target_pointer_width = "64"),
            endian: Endianness::default(),
        }
    }

    pub(super) fn segment_size(self) -> usize {
        fn size<E: FileHeader>() -> usize {
            size_of::<E::ProgramHeader>()
        }
        for_size!(self, size())
    }

    pub(super) fn section_size(self) -> usize {
        fn size<E: FileHeader>() -> usize {
            size_of::<E::SectionHeader>()
        }
        for_size!(self, size())
    }

    pub(super) fn symbol_size(self) -> usize {
        fn size<E: FileHeader>() -> usize {
            size_of::<E::Sym>()
        }
        for_size!(self, size())
    }

    pub(super) fn segments(self, bytes: &[u8]) -> Vec<Segment> {
        for_size!(self, segments(bytes, self.endian))
    }

    pub(super) fn sections(self, bytes: &[u8]) -> Vec<Section> {
        for_size!(self, sections(bytes, self.endian))
    }

    /// Hands over each symbol of a piece of a table whose name is wanted, with its number in the
    /// piece, until one is refused.
    pub(super) fn symbols<T>(
        self,
        bytes: &[u8],
        is_wanted: impl Fn(u32) -> bool,
        visit: impl FnMut(u64, TableSymbol) -> Result<(), T>,
    ) -> Result<(), T> {
        if self.is_64 {
            symbols::<elf::FileHeader64<Endianness>, T>(bytes, self.endian, is_wanted, visit)
        } else {
            symbols::<elf::FileHeader32<Endianness>, T>(bytes, self.endian, is_wanted, visit)
        }
    }

    /// The tags and values of a dynamic section.
    pub(super) fn dynamic(self, bytes: &[u8]) -> Vec<(u64, u64)> {
        for_size!(self, dynamic(bytes, self.endian))
    }

    /// A number as long as an address, and what follows it.
    pub(super) fn word(self, bytes: &[u8]) -> Option<(u64, &[u8])> {
        if self.is_64 {
            let (word, rest) = bytes.split_first_chunk()?;
            Some((self.endian.read_u64_bytes(*word), rest))
        } else {
            let (word, rest) = self.u32(bytes)?;
            Some((word.into(), rest))
        }
    }

    /// A number of 32 bits, and what follows it.
    pub(super) fn u32(self, bytes: &[u8]) -> Option<(u32, &[u8])> {
        let (word, rest) = bytes.split_first_chunk()?;
        Some((self.endian.read_u32_bytes(*word), rest))
    }

    /// A number of 16 bits, and what follows it.
    pub(super) fn u16(self, bytes: &[u8]) -> Option<(u16, &[u8])> {
        let (word, rest) = bytes.split_first_chunk()?;
        Some((self.endian.read_u16_bytes(*word), rest))
    }
}

/// The whole entries in these bytes.
fn entries<T: pod::Pod>(bytes: &[u8]) -> &[T] {
    let count = bytes.len() / size_of::<T>().max(1);
    pod::slice_from_bytes(bytes, count).map_or(&[], |(entries, _)| entries)
}

fn segments<E: FileHeader<Endian = Endianness>>(bytes: &[u8], endian: Endianness) -> Vec<Segment> {
    let segment = |entry: &E::ProgramHeader| Segment {
        kind: entry.p_type(endian),
        flags: entry.p_flags(endian),
        offset: entry.p_offset(endian).into(),
        address: entry.p_vaddr(endian).into(),
        file_size: entry.p_filesz(endian).into(),
    };
    entries(bytes).iter().map(segment).collect()
}

fn sections<E: FileHeader<Endian = Endianness>>(bytes: &[u8], endian: Endianness) -> Vec<Section> {
    let section = |entry: &E::SectionHeader| Section {
        name: entry.sh_name(endian),
        kind: entry.sh_type(endian),
        flags: entry.sh_flags(endian).into(),
        address: entry.sh_addr(endian).into(),
        offset: entry.sh_offset(endian).into(),
        size: entry.sh_size(endian).into(),
        link: entry.sh_link(endian),
        info: entry.sh_info(endian),
    };
    entries(bytes).iter().map(section).collect()
}

fn symbols<E: FileHeader<Endian = Endianness>, T>(
    bytes: &[u8],
    endian: Endianness,
    is_wanted: impl Fn(u32) -> bool,
    mut visit: impl FnMut(u64, TableSymbol) -> Result<(), T>,
) -> Result<(), T> {
    // Most are passed over, so nothing but their name is read.
    for (index, entry) in (0..).zip(entries::<E::Sym>(bytes)) {
        let name = entry.st_name(endian);
        if !is_wanted(name) {
            continue;
        }
        let symbol = TableSymbol {
            name,
            address: entry.st_value(endian).into(),
            size: entry.st_size(endian).into(),
            kind: entry.st_type(),
            binding: entry.st_bind(),
            visibility: entry.st_visibility(),
            section: entry.st_shndx(endian),
        };
        visit(index, symbol)?;
    }
    Ok(())
}

fn dynamic<E: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    endian: Endianness,
) -> Vec<(u64, u64)> {
    let pair = |entry: &E::Dyn| (entry.d_tag(endian).into(), entry.d_val(endian).into());
    entries(bytes).iter().map(pair).collect()
}
