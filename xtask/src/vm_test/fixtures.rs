//! What kernels say of links, as fixtures for the tests that need no kernel:
//! `tests/src/recorded.rs` says what is in them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Writes what a kernel said, each link into a file of its own, and removes the files of that
/// kernel's series that there were.
pub(crate) fn write(golden: &[Value], fixtures: &Path) -> Result<()> {
    let series = golden.iter().map(series).collect::<Result<Vec<_>>>()?;
    let series = series.first().context("no link was recorded")?;
    let directory = fixtures.join(series);
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    for link in golden {
        let name = link["name"].as_str().context("a link without a name")?;
        let path = directory.join(name).with_extension("json");
        ensure!(!path.exists(), "{name} was recorded twice");
        let text = serde_json::to_string_pretty(link)?;
        fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The first two numbers of the kernel's release.
fn series(link: &Value) -> Result<String> {
    let release = link.pointer("/kernel/0").and_then(Value::as_str);
    let release = release.unwrap_or_default();
    let numbers: Vec<&str> = release.splitn(3, '.').take(2).collect();
    ensure!(numbers.len() == 2, "a link of the kernel {release:?}");
    Ok(numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn link(release: &str) -> Value {
        json!({ "kernel": [release, "#1 SMP"], "name": "xdp" })
    }

    #[test]
    fn the_series_is_in_the_release() {
        for (release, expected) in [
            ("5.10.0-46-cloud-amd64", "5.10"),
            ("7.3.4+deb13-cloud-amd64", "7.3"),
        ] {
            assert_eq!(series(&link(release)).ok().as_deref(), Some(expected));
        }
        assert!(series(&link("unknown")).is_err());
        assert!(series(&json!({})).is_err());
    }
}
