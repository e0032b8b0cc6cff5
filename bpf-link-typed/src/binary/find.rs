//! Finding a function by its name.

use super::name::WrittenName;
use super::reader::{Returned, SymbolReader};
use super::segments::Segments;
use super::symbol::BinarySymbol;
use super::table::SymbolTable;
use crate::error::{BinaryProblem, Result};

/// What the tables have under a name.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The functions that are in this file.
    pub(super) functions: Vec<BinarySymbol>,
    /// It is a function of another library.
    pub(super) is_imported: bool,
    /// It is not a function.
    pub(super) is_other: bool,
}

/// Looks for a name in all of the tables.
pub(super) fn find(
    tables: &[SymbolTable<'_>],
    segments: &Segments,
    name: &WrittenName<'_>,
) -> Result<Found> {
    let mut found = Found::default();
    let mut returned = Returned::default();
    for table in tables {
        // Names are looked for first, as they need no look at each symbol's.
        let places = table.strings().places_of(name.symbol.as_bytes())?;
        if places.is_empty() {
            continue;
        }
        let mut reader = SymbolReader::new(table, segments);
        let is_wanted = |name| places.binary_search(&name).is_ok();
        table.each_named(is_wanted, |index, symbol| {
            if symbol.is_imported() {
                found.is_imported |= symbol.may_be_function();
                return Ok(());
            }
            match reader.read(index, &symbol)? {
                Some(symbol) if found.is_new(&symbol) => {
                    returned.add(table, &symbol)?;
                    found.functions.push(symbol);
                }
                Some(_) => {}
                None => found.is_other = true,
            }
            Ok(())
        })?;
    }
    if let Some(version) = name.version {
        let functions = &mut found.functions;
        functions.retain(|symbol| symbol.version.as_deref() == Some(version));
    }
    Ok(found)
}

impl Found {
    /// It has a function that every other file gets by this name, which comes before all others.
    pub(super) fn is_exported(&self) -> bool {
        self.functions.iter().any(|symbol| symbol.rank() == 0)
    }

    /// The table of exported symbols and the other one have many in common.
    fn is_new(&self, symbol: &BinarySymbol) -> bool {
        // Few have one name; where many do, some are returned twice.
        const COMPARED: usize = 64;
        let mut functions = self.functions.iter().take(COMPARED);
        !functions.any(|found| {
            let same_version = found.version == symbol.version || symbol.version.is_none();
            found.offset == symbol.offset && same_version
        })
    }

    /// The one that the name means.
    pub(super) fn one(self, name: &str) -> Result<BinarySymbol, BinaryProblem> {
        let name = || name.to_owned();
        let rank = self.functions.iter().map(BinarySymbol::rank).min();
        let Some(rank) = rank else {
            return Err(match (self.is_imported, self.is_other) {
                (true, _) => BinaryProblem::Imported {
                    name: name(),
                    libraries: Vec::new(),
                },
                (false, true) => BinaryProblem::NotAFunction { name: name() },
                (false, false) => BinaryProblem::NoSuchSymbol {
                    name: name(),
                    similar: Vec::new(),
                },
            });
        };
        let functions = self.functions.into_iter();
        let mut meant: Vec<BinarySymbol> = functions.filter(|one| one.rank() == rank).collect();
        meant.sort_by_key(|symbol| symbol.offset);
        meant.dedup_by_key(|symbol| symbol.offset);
        match meant.pop() {
            Some(one) if meant.is_empty() && one.is_indirect => Err(BinaryProblem::Indirect {
                name: name(),
                resolver: one.offset,
            }),
            Some(one) if meant.is_empty() => Ok(one),
            last => {
                let all = meant.into_iter().chain(last);
                Err(BinaryProblem::Ambiguous {
                    name: name(),
                    offsets: all.map(|symbol| symbol.offset).collect(),
                })
            }
        }
    }
}
