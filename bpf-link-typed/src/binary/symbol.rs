//! A function of a binary, as its tables of symbols have it.

use object::elf;

use super::format::TableSymbol;
use super::versions::Version;

/// A function of a [`Binary`](crate::Binary).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BinarySymbol {
    /// Its name, without the version. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The version of the library that it is of, such as `GLIBC_2.14`.
    pub version: Option<String>,
    /// It is of an older version, which only programs get that were linked with that.
    pub is_old_version: bool,
    /// Its virtual address, before the binary is loaded anywhere.
    pub address: u64,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How long it is, in bytes; 0 if nobody has said.
    pub size: u64,
    /// Who can use it.
    pub binding: SymbolBinding,
    /// Whether other files can use it ([`SymbolBinding::Global`] or [`SymbolBinding::Weak`] only).
    pub is_hidden: bool,
    /// It is an indirect function (`STT_GNU_IFUNC`): what is here picks an implementation when the
    /// program starts.
    pub is_indirect: bool,
}

/// Who can use a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SymbolBinding {
    /// Only the file that it was compiled from.
    Local,
    /// Every file of the program.
    Global,
    /// Every file, unless one has a global one of the same name.
    Weak,
    /// Another number.
    Other(u8),
}

impl SymbolBinding {
    fn new(number: u8) -> Self {
        match number {
            elf::STB_LOCAL => Self::Local,
            elf::STB_GLOBAL | elf::STB_GNU_UNIQUE => Self::Global,
            elf::STB_WEAK => Self::Weak,
            other => Self::Other(other),
        }
    }
}

impl BinarySymbol {
    pub(super) fn new(
        symbol: &TableSymbol,
        offset: u64,
        name: String,
        version: Option<Version>,
    ) -> Self {
        let is_old_version = version.as_ref().is_some_and(|version| !version.is_default);
        Self {
            name,
            version: version.map(|version| version.name),
            is_old_version,
            address: symbol.address,
            offset,
            size: symbol.size,
            binding: SymbolBinding::new(symbol.binding),
            is_hidden: matches!(symbol.visibility, elf::STV_HIDDEN | elf::STV_INTERNAL),
            is_indirect: symbol.is_indirect(),
        }
    }

    /// The lower, the more a name alone means this one: what other files get, before what only one
    /// file has, before what only older programs get.
    pub(super) fn rank(&self) -> u8 {
        match self.binding {
            _ if self.is_old_version => 3,
            SymbolBinding::Global => 0,
            SymbolBinding::Weak => 1,
            SymbolBinding::Local | SymbolBinding::Other(_) => 2,
        }
    }
}
