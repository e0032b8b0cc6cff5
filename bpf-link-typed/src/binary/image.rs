//! One ELF file: a binary, or the debug file of one.

use std::fs::File;
use std::path::PathBuf;

use object::elf;

use super::bytes::{FileBytes, read_start};
use super::dynamic::Dynamic;
use super::format::{Header, LONGEST_HEADER};
use super::sections::Sections;
use super::segments::Segments;
use super::strings::Strings;
use super::table::SymbolTable;
use super::versions::Versions;
use crate::error::{BinaryProblem, Result};

/// A file, and where in it things are.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) bytes: FileBytes,
    pub(super) header: Header,
    pub(super) segments: Segments,
    pub(super) sections: Sections,
}

impl Image {
    /// Reads the headers; symbols are read when they are looked for.
    pub(super) fn read(file: File, path: PathBuf) -> Result<Self> {
        Self::of_bytes(FileBytes::new(file, path)?)
    }

    /// Reads the headers of a file, or of what was compressed into one.
    pub(super) fn of_bytes(bytes: FileBytes) -> Result<Self> {
        let mut start = [0; LONGEST_HEADER];
        let len = read_start(&bytes, &mut start)?;
        let start = start.get(..len).unwrap_or_default();
        let not_elf = || bytes.problem(BinaryProblem::NotElf);
        let header = Header::read(start).ok_or_else(not_elf)?;
        if !matches!(header.file_type, elf::ET_EXEC | elf::ET_DYN) {
            return Err(bytes.problem(BinaryProblem::NotLoadable {
                file_type: header.file_type,
            }));
        }
        let sections = Sections::read(&bytes, &header)?;
        let count = sections.segments.unwrap_or(header.segments.count.into());
        Ok(Self {
            segments: Segments::read(&bytes, &header, count)?,
            sections,
            header,
            bytes,
        })
    }

    /// Its tables of symbols: those that it exports and imports, and all of them.
    pub(super) fn tables(&self) -> Result<Vec<SymbolTable<'_>>> {
        let mut tables = Vec::new();
        for kind in [elf::SHT_DYNSYM, elf::SHT_SYMTAB] {
            let Some(section) = self.sections.of_kind(kind).next() else {
                continue;
            };
            let mut table = SymbolTable {
                bytes: &self.bytes,
                header: &self.header,
                entries: Sections::contents(&self.bytes, section, "a table of symbols")?,
                strings: self.sections.strings_of(&self.bytes, section)?,
                versions: None,
            };
            if kind == elf::SHT_DYNSYM {
                table.versions = Versions::find(
                    &self.bytes,
                    self.header.format,
                    &self.sections,
                    table.strings,
                )?;
            }
            tables.push(table);
        }
        if self.sections.is_empty() {
            tables.extend(self.dynamic_table()?);
        }
        Ok(tables)
    }

    /// What it exports and imports, as a dynamic loader finds it.
    fn dynamic_table(&self) -> Result<Option<SymbolTable<'_>>> {
        let Some(dynamic) = Dynamic::read(&self.bytes, &self.header, &self.segments)? else {
            return Ok(None);
        };
        let Some(entries) = dynamic.symbols()? else {
            return Ok(None);
        };
        Ok(Some(SymbolTable {
            bytes: &self.bytes,
            header: &self.header,
            entries,
            strings: dynamic.strings()?,
            versions: dynamic.versions(entries)?,
        }))
    }

    /// The names of the libraries that it asks for (`DT_NEEDED`).
    pub(super) fn needed_libraries(&self) -> Result<Vec<String>> {
        const MOST_LIBRARIES: usize = 1 << 10;
        let Some(dynamic) = Dynamic::read(&self.bytes, &self.header, &self.segments)? else {
            return Ok(Vec::new());
        };
        let mut needed = dynamic.all(elf::DT_NEEDED).take(MOST_LIBRARIES).peekable();
        if needed.peek().is_none() {
            return Ok(Vec::new());
        }
        let mut strings = Strings::new(&self.bytes, dynamic.strings()?);
        let library = |place| {
            let malformed = |_| self.bytes.malformed("the name of a library");
            strings.text(u32::try_from(place).map_err(malformed)?)
        };
        needed.map(library).collect()
    }

    /// Whether it has a table of all symbols, and not only of those that it exports and imports.
    pub(super) fn has_all_symbols(&self) -> bool {
        self.sections.of_kind(elf::SHT_SYMTAB).next().is_some()
    }
}
