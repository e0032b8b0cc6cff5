//! The 64-bit architectures: the bindings are generated for each, and constants that differ are
//! chosen by `cfg`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use syn::{Ident, Item, parse_quote};

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

/// The bindings for all architectures: those of the first, with the constants that others have
/// another value of in a module for each group of architectures that agree. Fails if anything else
/// differs, such as a layout.
pub(super) fn merge(first: &str, others: &[(Architecture, String)]) -> Result<String> {
    let mut file = syn::parse_file(first)?;
    let mut all = vec![(FIRST.name, file.items.clone())];
    let mut differing = BTreeSet::new();
    for (architecture, other) in others {
        let other = with_long_long(other);
        let items = syn::parse_file(&other)?.items;
        let found = differing_constants(&file.items, &items);
        differing.extend(found.ok_or_else(|| differs(architecture, first, &other))?);
        all.push((architecture.name, items));
    }
    if differing.is_empty() {
        return Ok(first.to_owned());
    }
    let is_differing = |item: &Item| match item {
        Item::Const(constant) => differing.contains(&constant.ident),
        _ => false,
    };
    let mut groups: Vec<(Vec<&str>, Vec<Item>)> = Vec::new();
    for (name, items) in all {
        let constants: Vec<Item> = items.into_iter().filter(is_differing).collect();
        let by_order =
            |(names, other): &(Vec<&str>, Vec<Item>)| names.contains(&name) && *other != constants;
        if groups.iter().any(by_order) {
            bail!("constants of {name} differ by its byte order");
        }
        match groups.iter_mut().find(|(_, other)| *other == constants) {
            Some((names, _)) if names.contains(&name) => {}
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], constants)),
        }
    }
    file.items.retain(|item| !is_differing(item));
    for (names, constants) in groups {
        file.items.push(parse_quote! {
            #[cfg(any(#(target_arch = #names),*))]
            mod by_architecture {
                #(#constants)*
            }
        });
    }
    file.items.push(parse_quote!(
        pub use by_architecture::*;
    ));
    Ok(prettyplease::unparse(&file))
}

/// The constants that have another value there; `None` if anything else differs.
fn differing_constants(items: &[Item], others: &[Item]) -> Option<Vec<Ident>> {
    if items.len() != others.len() {
        return None;
    }
    let pairs = items.iter().zip(others).filter(|(one, other)| one != other);
    pairs
        .map(|pair| match pair {
            (Item::Const(one), Item::Const(other))
                if one.ident == other.ident && one.ty == other.ty =>
            {
                Some(one.ident.clone())
            }
            _ => None,
        })
        .collect()
}

/// With one of two types of 64 bits, which headers use as they please.
fn with_long_long(source: &str) -> String {
    let unsigned = source.replace("::core::ffi::c_ulong;", "::core::ffi::c_ulonglong;");
    unsigned.replace("::core::ffi::c_long;", "::core::ffi::c_longlong;")
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
             #[cfg(any(target_arch = \"x86_64\", target_arch = \"aarch64\"))]\n\
             mod by_architecture {\n    pub const B: u32 = 2;\n}\n\
             #[cfg(any(target_arch = \"sparc64\"))]\n\
             mod by_architecture {\n    pub const B: u32 = 3;\n}\n\
             pub use by_architecture::*;\n"
        );
        assert_eq!(merge(first, &others[..1]).expect("nothing differs"), first);
        // Of two byte orders.
        let both = [
            (SPARC, first.to_owned()),
            (SPARC, first.replace("B: u32 = 2", "B: u32 = 3")),
        ];
        assert!(merge(first, &both).is_err());
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
