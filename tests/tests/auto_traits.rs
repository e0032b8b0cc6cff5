//! Every public type can be sent to another thread and shared with one.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// What `cargo xtask public-api` has written down of each type says so; with `--check` it says
/// whether that is still true.
#[test]
fn every_type_can_be_sent_and_shared() -> Result<()> {
    for name in ["bpf-link", "bpf-link-typed"] {
        let list = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../xtask/public-api")
            .join(name)
            .with_extension("txt");
        let list = std::fs::read_to_string(&list).context(list.display().to_string())?;
        let types: Vec<&str> = list.lines().filter_map(type_in).collect();
        ensure!(!types.is_empty(), "{name} has no types");
        for path in types {
            for auto_trait in ["core::marker::Send", "core::marker::Sync"] {
                let is_so = list.lines().any(|item| implements(item, auto_trait, path));
                ensure!(is_so, "{path} is not {auto_trait}");
            }
        }
    }
    Ok(())
}

/// The name of the type that this item is, if it is one.
fn type_in(item: &str) -> Option<&str> {
    // What comes before is in brackets: `#[non_exhaustive]`, `#[repr(transparent)]`.
    let item = item.get(item.find("pub ")?..)?;
    let path = ["pub struct ", "pub enum ", "pub union "]
        .into_iter()
        .find_map(|keyword| item.strip_prefix(keyword))?;
    name_in(path)
}

/// Whether this item is such an implementation, such as
/// `impl<T> core::marker::Send for a::Type<T> where ..`.
fn implements(item: &str, auto_trait: &str, name: &str) -> bool {
    let Some((start, of)) = item.split_once(" for ") else {
        return false;
    };
    let is_impl = start.starts_with("impl") && start.ends_with(&format!(" {auto_trait}"));
    is_impl && name_in(of) == Some(name)
}

/// The name at the end of the path that this begins with: a type may have several paths.
fn name_in(text: &str) -> Option<&str> {
    let end = text.find(['<', '(', ' ']).unwrap_or(text.len());
    text.get(..end)?.rsplit("::").next()
}
