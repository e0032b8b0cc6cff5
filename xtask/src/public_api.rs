//! `cargo xtask public-api`: what each published crate offers, as a list that is committed.
//!
//! It is read from rustdoc's JSON, which is for nightly toolchains only unless `RUSTC_BOOTSTRAP`
//! says otherwise, and whose format goes with the toolchain.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use similar::TextDiff;

use crate::{command, progress, workspace};

/// Writes down what each published crate offers, in `xtask/public-api/`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only compare; fail where what is committed differs
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut different = vec![];
    for name in workspace::LIBRARIES {
        let step = progress::step("public-api", name);
        let api = public_api(name)?;
        drop(step);
        let path = workspace::root()
            .join("xtask/public-api")
            .join(format!("{name}.txt"));
        let items = api.lines().count();
        if !args.check {
            fs::write(&path, &api).with_context(|| path.display().to_string())?;
            println!("{name}: {items} items");
            continue;
        }
        let committed = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if committed == api {
            println!("{name}: {items} items, as committed");
            continue;
        }
        print!("{}", TextDiff::from_lines(&committed, &api).unified_diff());
        different.push(name);
    }
    ensure!(
        different.is_empty(),
        "the public API of {} is not what is committed: if it is as intended, run `cargo xtask public-api` and say so in the changelog",
        different.join(", ")
    );
    Ok(())
}

/// What the crate offers, a line for each item, in order.
fn public_api(name: &str) -> Result<String> {
    let json = rustdoc_json(name)?;
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        // The structs of C are plain data.
        .omit_auto_trait_impls(name == "bpf-link-sys")
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| explain(&json))?;
    let items = api.items().map(ToString::to_string);
    let items: Vec<String> = items.filter(|item| is_promised(item)).collect();
    Ok(items.join("\n") + "\n")
}

/// Whether the item is not just what the compiler has worked out. That types are `Send` and `Sync`
/// is promised: `tests/tests/auto_traits.rs` looks for it in the list.
fn is_promised(item: &str) -> bool {
    const NOT_PROMISED: [&str; 5] = [
        " core::marker::Freeze for ",
        " core::marker::Unpin for ",
        " core::marker::UnsafeUnpin for ",
        " core::panic::unwind_safe::RefUnwindSafe for ",
        " core::panic::unwind_safe::UnwindSafe for ",
    ];
    let item = item.replace(" !", " ");
    !NOT_PROMISED.iter().any(|name| item.contains(name))
}

/// What may be wrong with a file that cannot be read.
fn explain(json: &Path) -> String {
    let text = fs::read_to_string(json).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    format!(
        "cannot read {}, of format {}: the toolchain has to be one whose format the crate `public-api` reads (see xtask/Cargo.toml)",
        json.display(),
        value
            .get("format_version")
            .unwrap_or(&serde_json::Value::Null),
    )
}

fn rustdoc_json(name: &str) -> Result<PathBuf> {
    let target = workspace::target().join("public-api");
    let mut rustdoc = command::new(env!("CARGO"));
    rustdoc
        .args(["rustdoc", "--quiet", "--locked", "--lib", "--all-features"])
        .args(["--package", name, "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(workspace::root());
    command::run(&mut rustdoc)?;
    Ok(target.join(format!("doc/{}.json", name.replace('-', "_"))))
}
