//! What one module says about others: its children, its items, its imports, and the paths in its
//! code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A module's place in the list of a crate's modules.
pub(crate) type Index = usize;

/// A module, either a file or inline in one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// `None` for the crate's root.
    pub(crate) parent: Option<Index>,
    pub(crate) file: PathBuf,
    /// Where the files of its children are.
    pub(crate) dir: PathBuf,
    pub(crate) children: BTreeMap<String, Index>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) paths: Vec<PathInCode>,
    pub(crate) calls: Vec<MacroCall>,
    /// The identifiers in the body of each `macro_rules!`.
    pub(crate) macros: BTreeMap<String, BTreeSet<String>>,
}

/// One name that a `use` brings in, or all names of a module.
#[derive(Debug)]
pub(crate) struct Import {
    /// `None` for `*`.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// Whether other modules see the name: `pub use`.
    pub(crate) exported: bool,
}

/// A path in code, in an attribute or among the tokens of a macro.
#[derive(Debug)]
pub(crate) struct PathInCode {
    /// In a macro's body, a segment that the caller gives begins with `$`.
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// The `macro_rules!` in whose body it is.
    pub(crate) within: Option<String>,
}

/// A call of a macro.
#[derive(Debug)]
pub(crate) struct MacroCall {
    /// The macro's name, without the path to it.
    pub(crate) name: String,
    pub(crate) arguments: BTreeSet<String>,
}
