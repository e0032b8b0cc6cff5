//! Which file of a crate uses which, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::module::{Index, Module};
use crate::resolve::{Found, arguments, before_argument, declared, import_of, is_within, resolve};

/// For each file, the files that it uses, with the line and path of each use.
pub(crate) type Uses = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<(usize, String)>>>;

/// Every use of one file by another.
///
/// Nothing is used by the re-export of what a module's own child defines, nor by a path that ends
/// at a module: what is used is the item that the path leads to in the end.
pub(crate) fn uses(modules: &[Module]) -> Uses {
    let mut all = Uses::new();
    for (at, module) in modules.iter().enumerate() {
        let mut add = |used: Found, line: usize, path: &[String]| {
            let Found::ItemOf(used) = used else { return };
            let Some(used) = modules.get(used) else {
                return;
            };
            if used.file != module.file {
                let from = all.entry(module.file.clone()).or_default();
                let lines = from.entry(used.file.clone()).or_default();
                lines.insert((line, path.join("::")));
            }
        };
        for import in &module.imports {
            match resolve(modules, at, &import.path) {
                Some(Found::Module(used)) if import.name.is_none() => {
                    add(Found::ItemOf(used), import.line, &import.path);
                }
                Some(used) if !(import.exported && is_of_child(modules, used, at)) => {
                    add(used, import.line, &import.path);
                }
                _ => {}
            }
        }
        for used in &module.paths {
            let path = &used.path;
            if let Some(named) = before_argument(modules, at, path) {
                let within = used.within.iter();
                for name in within.flat_map(|name| arguments(modules, name)) {
                    if let Some(found) = declared(modules, named, &name) {
                        add(found, used.line, path);
                    }
                }
            } else if (leads_on(modules, at, path) || is_reexported(modules, at, path))
                && let Some(found) = resolve(modules, at, path)
            {
                add(found, used.line, path);
            }
        }
    }
    all
}

/// Whether a path goes on from a module. The use of an imported item has been counted with its
/// import.
fn leads_on(modules: &[Module], at: Index, path: &[String]) -> bool {
    match path {
        [first, _, ..] => {
            let first = resolve(modules, at, std::slice::from_ref(first));
            matches!(first, Some(Found::Module(_)))
        }
        _ => false,
    }
}

/// Whether a name comes from the re-export of a child's item, which is no use of the child until
/// the name is used.
fn is_reexported(modules: &[Module], at: Index, path: &[String]) -> bool {
    let import = modules.get(at).and_then(|module| import_of(module, path));
    let exported = import.filter(|import| import.exported);
    let found = exported.and_then(|import| resolve(modules, at, &import.path));
    found.is_some_and(|found| is_of_child(modules, found, at))
}

fn is_of_child(modules: &[Module], used: Found, parent: Index) -> bool {
    let (Found::Module(used) | Found::ItemOf(used)) = used;
    is_within(modules, used, parent)
}
