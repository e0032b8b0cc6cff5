//! An interface of structures, unions and constants, as two sources tell it: the text of the
//! bindings, and a kernel's own types.
//!
//! Both are brought to one form, in which what C leaves without a name is left out: a field is
//! known by the names that lead to it, as `link_create.kprobe_multi.cnt`, and by its place in the
//! structure at the start. So it does not matter that a later kernel puts a field beside another
//! one into a union without a name.

mod bindings;
mod compare;
mod kernel;
mod layout;

use std::collections::BTreeMap;
use std::fmt;

pub use compare::{Comparison, Missing};

/// Structures, unions and enumerations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abi {
    /// Structures and unions by name; only those that are not inside another one.
    pub types: BTreeMap<String, Aggregate>,
    /// Enumerations.
    pub enums: Vec<Enum>,
}

/// A structure or a union.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// In bytes.
    pub size: u64,
    /// What is in it, at any depth, by the names that lead there.
    pub fields: BTreeMap<String, Field>,
}

/// A field of a structure or a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Where it begins in the structure at the start, in bits.
    pub offset: u64,
    /// How large it is, in bits.
    pub size: u64,
    /// Whether it is a structure or a union itself, which later kernels may extend.
    pub is_aggregate: bool,
}

/// An enumeration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enum {
    /// Its name; empty if it has none. In the bindings all constants that are of no enumeration
    /// with a name are one without.
    pub name: String,
    /// Its constants.
    pub values: BTreeMap<String, Value>,
}

/// The value of a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    value: i64,
    /// How much of it is known, from the lowest bit on: the types of a kernel may have half of it
    /// only.
    bits: u32,
}

impl Value {
    /// A value of which all is known.
    #[must_use]
    pub const fn new(value: i64) -> Self {
        Self {
            value,
            bits: i64::BITS,
        }
    }

    /// A value of which the lower half is known.
    #[must_use]
    pub fn low(value: u32) -> Self {
        Self {
            value: value.into(),
            bits: u32::BITS,
        }
    }

    /// Whether the two are the same, as far as both are known.
    #[must_use]
    pub fn agrees_with(self, other: Self) -> bool {
        let unknown = i64::BITS - self.bits.min(other.bits);
        self.value << unknown == other.value << unknown
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
