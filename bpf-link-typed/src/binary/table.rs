//! Tables of symbols, read piece by piece.

use object::elf;

use super::bytes::{FileBytes, Region};
use super::format::{Header, TableSymbol};
use super::strings::Strings;
use super::versions::Versions;
use crate::error::Result;

/// A table of symbols, with the strings that have their names.
#[derive(Debug)]
pub(super) struct SymbolTable<'a> {
    pub(super) bytes: &'a FileBytes,
    pub(super) header: &'a Header,
    pub(super) entries: Region,
    pub(super) strings: Region,
    /// The versions, of a table of exported symbols.
    pub(super) versions: Option<Versions>,
}

impl<'a> SymbolTable<'a> {
    /// Hands over each symbol, with its number in the table.
    pub(super) fn each(&self, visit: impl FnMut(u64, TableSymbol) -> Result<()>) -> Result<()> {
        self.each_named(|_| true, visit)
    }

    /// Hands over each symbol whose name is wanted, which is told by its place among the strings.
    pub(super) fn each_named(
        &self,
        is_wanted: impl Fn(u32) -> bool,
        mut visit: impl FnMut(u64, TableSymbol) -> Result<()>,
    ) -> Result<()> {
        let format = self.header.format;
        let size = format.symbol_size();
        let mut before = 0;
        self.bytes.in_pieces(self.entries, size, |piece| {
            format.symbols(piece, &is_wanted, |index, mut symbol| {
                symbol.address = self.address(&symbol);
                visit(before + index, symbol)
            })?;
            before += (piece.len() / size.max(1)) as u64;
            Ok(())
        })
    }

    pub(super) fn strings(&self) -> Strings<'a> {
        Strings::new(self.bytes, self.strings)
    }

    /// The address without the bit that says which instructions a function is made of.
    fn address(&self, symbol: &TableSymbol) -> u64 {
        let has_bit = matches!(self.header.machine, elf::EM_ARM | elf::EM_MIPS);
        if has_bit && symbol.is_function() {
            symbol.address & !1
        } else {
            symbol.address
        }
    }
}

impl TableSymbol {
    pub(super) fn is_indirect(&self) -> bool {
        self.kind == elf::STT_GNU_IFUNC
    }

    /// It is a function, here or elsewhere.
    pub(super) fn is_function(&self) -> bool {
        self.kind == elf::STT_FUNC || self.is_indirect()
    }

    /// It may be one of assembly, where nobody has said what it is.
    pub(super) fn may_be_function(&self) -> bool {
        self.is_function() || self.kind == elf::STT_NOTYPE
    }

    /// It is in another library.
    pub(super) fn is_imported(&self) -> bool {
        self.section == elf::SHN_UNDEF
    }

    /// It is something that is in this file.
    pub(super) fn is_here(&self) -> bool {
        !matches!(
            self.section,
            elf::SHN_UNDEF | elf::SHN_ABS | elf::SHN_COMMON
        )
    }
}
