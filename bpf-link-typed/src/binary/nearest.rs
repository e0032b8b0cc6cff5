//! The functions that places in a binary are in.

use super::format::TableSymbol;
use super::reader::SymbolReader;
use super::segments::Segments;
use super::symbol::BinarySymbol;
use super::table::SymbolTable;
use crate::error::Result;

/// A function, and how far after its beginning a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SymbolOffset {
    /// The function.
    pub symbol: BinarySymbol,
    /// In bytes.
    pub offset: u64,
}

/// The last function that begins before an address, so far.
#[derive(Clone, Copy, Debug)]
struct Nearest {
    table: usize,
    index: u64,
    symbol: TableSymbol,
}

/// What is at each of these places in the file; `None` where no function is.
pub(super) fn nearest(
    tables: &[SymbolTable<'_>],
    segments: &Segments,
    offsets: &[u64],
) -> Result<Vec<Option<SymbolOffset>>> {
    let address = |offset: &u64| segments.address_of(*offset, true);
    let addresses: Vec<Option<u64>> = offsets.iter().map(address).collect();
    let mut wanted: Vec<u64> = addresses.iter().copied().flatten().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let nearest = before_each(tables, &wanted)?;
    let mut readers: Vec<_> = tables
        .iter()
        .map(|table| SymbolReader::new(table, segments))
        .collect();
    let mut found = Vec::with_capacity(offsets.len());
    for address in addresses {
        let place = address.and_then(|address| wanted.binary_search(&address).ok());
        let nearest = place.and_then(|place| nearest.get(place).copied().flatten());
        found.push(match (address, nearest) {
            (Some(address), Some(nearest)) => read(&mut readers, address, &nearest)?,
            _ => None,
        });
    }
    Ok(found)
}

fn read(
    readers: &mut [SymbolReader<'_>],
    address: u64,
    nearest: &Nearest,
) -> Result<Option<SymbolOffset>> {
    let offset = address - nearest.symbol.address;
    if nearest.symbol.size != 0 && offset >= nearest.symbol.size {
        return Ok(None);
    }
    let Some(reader) = readers.get_mut(nearest.table) else {
        return Ok(None);
    };
    let symbol = reader.read(nearest.index, &nearest.symbol)?;
    Ok(symbol.map(|symbol| SymbolOffset { symbol, offset }))
}

/// The last function that begins at or before each of these addresses, which are in order.
fn before_each(tables: &[SymbolTable<'_>], wanted: &[u64]) -> Result<Vec<Option<Nearest>>> {
    let mut nearest: Vec<Option<Nearest>> = vec![None; wanted.len()];
    for (number, table) in tables.iter().enumerate() {
        table.each(|index, symbol| {
            if !symbol.is_function() || !symbol.is_here() {
                return Ok(());
            }
            // Only the first address that it may be the last function before; the rest follows.
            let place = wanted.partition_point(|wanted| *wanted < symbol.address);
            if let Some(nearest) = nearest.get_mut(place) {
                let one = Nearest {
                    table: number,
                    index,
                    symbol,
                };
                if nearest.is_none_or(|before| one.is_nearer(&before)) {
                    *nearest = Some(one);
                }
            }
            Ok(())
        })?;
    }
    let mut last = None;
    for nearest in &mut nearest {
        let is_nearer = |one: Nearest| last.is_none_or(|before| one.is_nearer(&before));
        if nearest.is_some_and(is_nearer) {
            last = *nearest;
        }
        *nearest = last;
    }
    Ok(nearest)
}

impl Nearest {
    /// It begins later, or is more what others call the function.
    fn is_nearer(&self, before: &Self) -> bool {
        let key = |one: &Self| {
            let is_local = one.symbol.binding == object::elf::STB_LOCAL;
            (one.symbol.address, !is_local, one.symbol.size != 0)
        };
        key(self) > key(before)
    }
}
