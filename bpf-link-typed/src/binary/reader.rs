//! Symbols with their names, versions and places.

use super::format::TableSymbol;
use super::name::split_version;
use super::segments::Segments;
use super::strings::Strings;
use super::symbol::BinarySymbol;
use super::table::SymbolTable;
use super::versions::Version;
use crate::error::Result;

/// Names of all symbols that are returned together, in bytes. No binary has so many, but a table
/// can name one long string millions of times.
const MOST_NAMES: usize = 256 << 20;
/// No binary has so many functions.
const MOST_SYMBOLS: usize = 1 << 24;

/// Reads symbols of one table.
pub(super) struct SymbolReader<'a> {
    table: &'a SymbolTable<'a>,
    segments: &'a Segments,
    strings: Strings<'a>,
}

/// How much has been returned so far.
#[derive(Debug, Default)]
pub(super) struct Returned {
    names: usize,
    symbols: usize,
}

impl<'a> SymbolReader<'a> {
    /// The segments are those of the binary, also for a table of its debug file.
    pub(super) fn new(table: &'a SymbolTable<'a>, segments: &'a Segments) -> Self {
        Self {
            table,
            segments,
            strings: table.strings(),
        }
    }

    /// The symbol with its name; `None` if it is not code that is in this file.
    pub(super) fn read(
        &mut self,
        index: u64,
        symbol: &TableSymbol,
    ) -> Result<Option<BinarySymbol>> {
        if !symbol.is_here() || !symbol.may_be_function() {
            return Ok(None);
        }
        let Some(offset) = self.segments.offset_of(symbol.address, true) else {
            return Ok(None);
        };
        let name = self.strings.text(symbol.name)?;
        let (base, version) = split_version(&name);
        let version = match version {
            Some((version, is_default)) => Some(Version {
                name: version.to_owned(),
                is_default,
            }),
            None => self.version(index)?,
        };
        let base = base.to_owned();
        Ok(Some(BinarySymbol::new(symbol, offset, base, version)))
    }

    fn version(&self, index: u64) -> Result<Option<Version>> {
        let Some(versions) = &self.table.versions else {
            return Ok(None);
        };
        versions.of(self.table.bytes, self.table.header.format, index)
    }
}

impl Returned {
    /// Counts one more; an error if that is too many.
    pub(super) fn add(&mut self, table: &SymbolTable<'_>, symbol: &BinarySymbol) -> Result<()> {
        self.symbols += 1;
        self.names += symbol.name.len() + symbol.version.as_ref().map_or(0, String::len);
        if self.symbols > MOST_SYMBOLS || self.names > MOST_NAMES {
            return Err(table.bytes.too_large("its symbols"));
        }
        Ok(())
    }
}
