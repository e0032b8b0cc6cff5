//! What the fuzzer begins with: what kernels have said and people type.

mod arguments;
mod binary;
mod btf;
mod info;
mod tracefs;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

/// Writes the seeds of this target into its directory, and says how long the longest is.
pub(super) fn write(target: &str, dir: &Path) -> Result<usize> {
    let seeds = match target {
        "arguments" => arguments::seeds(),
        "binary" => binary::seeds()?,
        "btf" => btf::seeds()?,
        "info" => info::seeds()?,
        "tracefs" => tracefs::seeds()?,
        _ => bail!("nothing says what the target {target} begins with"),
    };
    ensure!(!seeds.is_empty(), "{target} has no seeds");
    for (number, seed) in seeds.iter().enumerate() {
        let path = dir.join(format!("{number:03}"));
        fs::write(&path, seed).with_context(|| path.display().to_string())?;
    }
    Ok(seeds.iter().map(Vec::len).max().unwrap_or_default())
}
