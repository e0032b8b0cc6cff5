//! The 64-bit architectures: the bindings are generated for each, and what differs is chosen by
//! `cfg`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use syn::{Item, ItemConst, parse_quote};

use super::difference;

/// An architecture that the kernel, Debian and Rust have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Architecture {
    /// Rust's `target_arch`.
    pub(super) name: &'static str,
    /// What clang calls it, or one with the same data model.
    pub(super) target: &'static str,
    /// Where Debian's package has its headers, below the include directory.
    pub(super) directory: &'static str,
}

impl Architecture {
    const fn new(name: &'static str, target: &'static str, directory: &'static str) -> Self {
        Self {
            name,
            target,
            directory,
        }
    }
}

/// The one that all others are compared with.
pub(super) const FIRST: Architecture =
    Architecture::new("x86_64", "x86_64-unknown-linux-gnu", "x86_64-linux-gnu");

/// The others. One that has two byte orders is there for each.
pub(super) const OTHERS: [Architecture; 10] = [
    Architecture::new("aarch64", "aarch64-unknown-linux-gnu", "aarch64-linux-gnu"),
    // By the data model of riscv64, which is the same: clang knows loongarch64 since version 16.
    Architecture::new(
        "loongarch64",
        "riscv64-unknown-linux-gnu",
        "loongarch64-linux-gnu",
    ),
    Architecture::new(
        "mips64",
        "mips64-unknown-linux-gnuabi64",
        "mips64-linux-gnuabi64",
    ),
    Architecture::new(
        "mips64",
        "mips64el-unknown-linux-gnuabi64",
        "mips64el-linux-gnuabi64",
    ),
    Architecture::new(
        "mips64r6",
        "mipsisa64r6el-unknown-linux-gnuabi64",
        "mipsisa64r6el-linux-gnuabi64",
    ),
    Architecture::new(
        "powerpc64",
        "powerpc64-unknown-linux-gnu",
        "powerpc64-linux-gnu",
    ),
    Architecture::new(
        "powerpc64",
        "powerpc64le-unknown-linux-gnu",
        "powerpc64le-linux-gnu",
    ),
    Architecture::new("riscv64", "riscv64-unknown-linux-gnu", "riscv64-linux-gnu"),
    Architecture::new("s390x", "s390x-unknown-linux-gnu", "s390x-linux-gnu"),
    Architecture::new("sparc64", "sparc64-unknown-linux-gnu", "sparc64-linux-gnu"),
];

/// The bindings of the first architecture, with each constant that others have another value of in
/// as many forms as there are values. Fails if anything else differs, such as a layout.
pub(super) fn merge(first: &str, others: &[(Architecture, String)]) -> Result<String> {
    // What the others have of each constant that differs, with the architectures that have it.
    let mut differing: BTreeMap<String, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    let mut file = syn::parse_file(first)?;
    for (architecture, other) in others {
        let other = &with_long_long(other);
        if other == first {
            continue;
        }
        let other_file = syn::parse_file(other)?;
        if file.items.len() != other_file.items.len() {
            return Err(differs(architecture, first, other));
        }
        for (item, other_item) in file.items.iter().zip(other_file.items) {
            if *item == other_item {
                continue;
            }
            let (Item::Const(one), Item::Const(another)) = (item, other_item) else {
                return Err(differs(architecture, first, other));
            };
            if one.ident != another.ident || one.ty != another.ty {
                return Err(differs(architecture, first, other));
            }
            let value = text(&another);
            let values = differing.entry(one.ident.to_string()).or_default();
            let names = values.entry(value).or_default();
            if !names.contains(&architecture.name) {
                names.push(architecture.name);
            }
        }
    }
    let items = std::mem::take(&mut file.items);
    for item in items {
        let values = match &item {
            Item::Const(constant) => differing.remove(&constant.ident.to_string()),
            _ => None,
        };
        match (item, values) {
            (Item::Const(constant), Some(values)) => {
                file.items.extend(chosen(&constant, &values)?);
            }
            (item, _) => file.items.push(item),
        }
    }
    Ok(prettyplease::unparse(&file))
}

/// With one of two types of 64 bits, which headers use as they please.
fn with_long_long(source: &str) -> String {
    let unsigned = source.replace("::core::ffi::c_ulong;", "::core::ffi::c_ulonglong;");
    unsigned.replace("::core::ffi::c_long;", "::core::ffi::c_longlong;")
}

/// One constant for each of its values, and the architectures that have that.
fn chosen(first: &ItemConst, values: &BTreeMap<String, Vec<&str>>) -> Result<Vec<Item>> {
    let mut chosen = Vec::new();
    let mut all = Vec::new();
    for (value, names) in values {
        if let Some(twice) = names.iter().find(|name| all.contains(*name)) {
            bail!(
                "{} has two values on {twice}, by its byte order",
                first.ident
            );
        }
        all.extend(names);
        let mut constant: ItemConst = syn::parse_str(value)?;
        constant
            .attrs
            .push(parse_quote!(#[cfg(any(#(target_arch = #names),*))]));
        chosen.push(Item::Const(constant));
    }
    let mut rest = first.clone();
    rest.attrs
        .push(parse_quote!(#[cfg(not(any(#(target_arch = #all),*)))]));
    chosen.push(Item::Const(rest));
    Ok(chosen)
}

/// A constant as it stands in a file.
fn text(constant: &ItemConst) -> String {
    prettyplease::unparse(&parse_quote!(#constant))
}

fn differs(architecture: &Architecture, first: &str, other: &str) -> anyhow::Error {
    let difference = difference::between(first, other).unwrap_or_default();
    anyhow::anyhow!(
        "the bindings for {} differ from those for {} in more than constants:\n{difference}",
        architecture.directory,
        FIRST.directory
    )
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    const ARM: Architecture = OTHERS[0];
    const SPARC: Architecture = OTHERS[9];

    #[test]
    fn a_constant_that_differs_is_chosen() {
        let first = "pub const A: u32 = 1;\npub const B: u32 = 2;\n";
        let others = [
            (ARM, first.to_owned()),
            (SPARC, first.replace("B: u32 = 2", "B: u32 = 3")),
        ];
        assert_eq!(
            merge(first, &others).expect("only a constant differs"),
            "pub const A: u32 = 1;\n\
             #[cfg(any(target_arch = \"sparc64\"))]\npub const B: u32 = 3;\n\
             #[cfg(not(any(target_arch = \"sparc64\")))]\npub const B: u32 = 2;\n"
        );
    }

    #[test]
    fn a_layout_that_differs_is_refused() {
        let first = "pub struct S {\n    pub a: u32,\n}\n";
        for other in [
            first.replace("u32", "u64"),
            format!("{first}pub struct T;\n"),
            first.replace('S', "R"),
        ] {
            let error = merge(first, &[(SPARC, other)]).expect_err("it differs");
            assert!(error.to_string().contains("sparc64"), "{error}");
        }
        let constant = "pub const A: u32 = 1;\n";
        let typed = constant.replace("u32", "u64");
        assert!(merge(constant, &[(SPARC, typed)]).is_err());
    }

    /// Which architectures the bindings are for, as the condition of a `cfg`: `lib.rs` refuses the
    /// others.
    fn compared() -> Vec<&'static str> {
        let mut names: Vec<&str> = [FIRST].iter().chain(&OTHERS).map(|one| one.name).collect();
        names.dedup();
        names
    }

    /// The architectures that `lib.rs` lets pass.
    fn accepted(lib: &str) -> Result<Vec<&str>> {
        let (_, list) = lib
            .split_once("#[cfg(not(any(")
            .context("lib.rs refuses no architecture")?;
        let (list, _) = list.split_once(")))]").context("the list has no end")?;
        let names = list.split(',').filter(|entry| !entry.trim().is_empty());
        names
            .map(|entry| {
                let name = entry.trim().strip_prefix("target_arch = \"");
                let name = name.and_then(|name| name.strip_suffix('"'));
                name.with_context(|| format!("{entry:?} is not an architecture"))
            })
            .collect()
    }

    #[test]
    fn what_was_compared_is_what_is_accepted() {
        let lib = include_str!("../../../bpf-link-sys/src/lib.rs");
        let accepted = accepted(lib).expect("a list");
        assert_eq!(accepted, compared());
    }
}
