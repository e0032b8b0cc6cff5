//! All functions that a pattern or a closure picks.

use std::collections::HashMap;

use super::reader::{Returned, SymbolReader};
use super::segments::Segments;
use super::symbol::BinarySymbol;
use super::table::SymbolTable;
use crate::error::Result;

/// Those that are picked, each place once, in the order of their places. Indirect functions are
/// left out, as their symbols are not where they are.
pub(super) fn select(
    tables: &[SymbolTable<'_>],
    segments: &Segments,
    mut picks: impl FnMut(&BinarySymbol) -> bool,
) -> Result<Vec<BinarySymbol>> {
    let mut by_place: HashMap<u64, BinarySymbol> = HashMap::new();
    let mut returned = Returned::default();
    for table in tables {
        let mut reader = SymbolReader::new(table, segments);
        table.each(|index, symbol| {
            if !symbol.is_function() || symbol.is_indirect() {
                return Ok(());
            }
            let Some(symbol) = reader.read(index, &symbol)? else {
                return Ok(());
            };
            let before = by_place.get(&symbol.offset);
            if before.is_some_and(|before| before.rank() <= symbol.rank()) || !picks(&symbol) {
                return Ok(());
            }
            returned.add(table, &symbol)?;
            by_place.insert(symbol.offset, symbol);
            Ok(())
        })?;
    }
    let mut symbols: Vec<_> = by_place.into_values().collect();
    symbols.sort_by_key(|symbol| symbol.offset);
    Ok(symbols)
}
