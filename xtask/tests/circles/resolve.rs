//! Where the item is defined that a path leads to.

use std::collections::BTreeSet;

use crate::module::{Import, Index, Module};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Module(Index),
    /// An item of this module, or what is within the item.
    ItemOf(Index),
}

/// No chain of re-exports is longer.
const DEEPEST: usize = 16;

/// What a path leads to from a module, through re-exports; `None` for what is not of this crate.
pub(crate) fn resolve(modules: &[Module], from: Index, path: &[String]) -> Option<Found> {
    follow(modules, from, path, DEEPEST)
}

/// The module that is named before the first segment that a macro's caller gives, and whose items
/// that segment names.
pub(crate) fn before_argument(modules: &[Module], from: Index, path: &[String]) -> Option<Index> {
    let known = path.iter().take_while(|segment| !segment.starts_with('$'));
    let known: Vec<String> = known.cloned().collect();
    match resolve(modules, from, &known)? {
        Found::Module(module) if known.len() < path.len() => Some(module),
        _ => None,
    }
}

/// What a name of a module stands for, if the source says that the module has it.
pub(crate) fn declared(modules: &[Module], module: Index, name: &str) -> Option<Found> {
    look_up(modules, module, name, true, DEEPEST)
}

/// The import of a module that brings in the path's first segment.
pub(crate) fn import_of<'m>(module: &'m Module, path: &[String]) -> Option<&'m Import> {
    let first = path.first()?;
    let mut imports = module.imports.iter();
    imports.find(|import| import.name.as_ref() == Some(first))
}

/// Whether a module is within another one.
pub(crate) fn is_within(modules: &[Module], module: Index, outer: Index) -> bool {
    let mut parent = modules.get(module).and_then(|module| module.parent);
    while let Some(at) = parent {
        if at == outer {
            return true;
        }
        parent = modules.get(at).and_then(|module| module.parent);
    }
    false
}

fn follow(modules: &[Module], from: Index, path: &[String], depth: usize) -> Option<Found> {
    let depth = depth.checked_sub(1)?;
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" => Found::Module(0),
        "self" => Found::Module(from),
        "super" => Found::Module(modules.get(from)?.parent?),
        name => look_up(modules, from, name, rest.is_empty(), depth)?,
    };
    while let (Found::Module(module), Some((name, after))) = (at, rest.split_first()) {
        at = match name.as_str() {
            "super" => Found::Module(modules.get(module)?.parent?),
            // What is not declared in the source, a macro makes there.
            name => look_up(modules, module, name, after.is_empty(), depth)
                .unwrap_or(Found::ItemOf(module)),
        };
        rest = after;
    }
    Some(at)
}

/// A module and a function may have the same name: `last` says whether an item may be meant.
fn look_up(modules: &[Module], at: Index, name: &str, last: bool, depth: usize) -> Option<Found> {
    let module = modules.get(at)?;
    let child = module.children.get(name).copied().map(Found::Module);
    if !last && child.is_some() {
        return child;
    }
    if module.items.contains(name) {
        return Some(Found::ItemOf(at));
    }
    let named = |import: &&Import| import.name.as_deref() == Some(name);
    let imported = module.imports.iter().filter(named);
    let mut imported = imported.map(|import| follow(modules, at, &import.path, depth));
    if let Some(found) = imported.next() {
        return found;
    }
    child.or_else(|| {
        let depth = depth.checked_sub(1)?;
        let globs = module.imports.iter().filter(|import| import.name.is_none());
        globs
            .into_iter()
            .find_map(|glob| match follow(modules, at, &glob.path, depth)? {
                Found::Module(other) if other != at => look_up(modules, other, name, last, depth),
                _ => None,
            })
    })
}

/// The names that the calls of a macro hand to it, whether they call it or have another macro do
/// so.
pub(crate) fn arguments(modules: &[Module], name: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for call in modules.iter().flat_map(|module| &module.calls) {
        if call.name == name {
            all.extend(call.arguments.iter().cloned());
        } else if call.arguments.contains(name) {
            let bodies = modules
                .iter()
                .filter_map(|module| module.macros.get(&call.name));
            all.extend(bodies.flatten().cloned());
        }
    }
    all
}
