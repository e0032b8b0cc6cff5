//! Places in a binary that a program is attached to.

use super::symbol::BinarySymbol;
use super::usdt::UsdtPlace;

/// A place in a binary: a function, a place of a USDT probe, or an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryPlace {
    pub(crate) offset: u64,
    pub(crate) ref_ctr_offset: u64,
    pub(crate) cookie: Option<u64>,
}

impl BinaryPlace {
    /// So many bytes after the start of the file.
    #[must_use]
    pub fn at(offset: u64) -> Self {
        Self {
            offset,
            ref_ctr_offset: 0,
            cookie: None,
        }
    }

    /// What `bpf_get_attach_cookie` returns to the program in this place.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = Some(cookie);
        self
    }
}

impl From<&BinarySymbol> for BinaryPlace {
    fn from(symbol: &BinarySymbol) -> Self {
        Self::at(symbol.offset)
    }
}

impl From<BinarySymbol> for BinaryPlace {
    fn from(symbol: BinarySymbol) -> Self {
        Self::from(&symbol)
    }
}

impl From<&UsdtPlace> for BinaryPlace {
    fn from(place: &UsdtPlace) -> Self {
        Self {
            ref_ctr_offset: place.ref_ctr_offset.unwrap_or(0),
            ..Self::at(place.offset)
        }
    }
}

impl From<UsdtPlace> for BinaryPlace {
    fn from(place: UsdtPlace) -> Self {
        Self::from(&place)
    }
}

impl From<&BinaryPlace> for BinaryPlace {
    fn from(place: &BinaryPlace) -> Self {
        *place
    }
}

impl From<u64> for BinaryPlace {
    fn from(offset: u64) -> Self {
        Self::at(offset)
    }
}
