//! What kernels say of links, as fixtures for the tests that need no kernel:
//! `tests/src/recorded.rs` says what is in them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Writes what a kernel said, each link into a file of its own, and removes the files of that
/// kernel's series and architecture that there were.
pub(crate) fn write(golden: &[Value], fixtures: &Path) -> Result<()> {
    let names = golden.iter().map(directory).collect::<Result<Vec<_>>>()?;
    let directory = fixtures.join(names.first().context("no link was recorded")?);
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

/// The first two numbers of the kernel's release, and before them the machine where it is not
/// x86-64.
fn directory(link: &Value) -> Result<String> {
    let release = link.pointer("/kernel/0").and_then(Value::as_str);
    let release = release.unwrap_or_default();
    let numbers: Vec<&str> = release.splitn(3, '.').take(2).collect();
    ensure!(numbers.len() == 2, "a link of the kernel {release:?}");
    let series = numbers.join(".");
    let machine = link["machine"].as_str().context("no machine")?;
    Ok(if machine == "x86_64" {
        series
    } else {
        format!("{machine}-{series}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn series_and_machine_name_the_directory() {
        for (release, machine, expected) in [
            ("5.10.0-46-cloud-amd64", "x86_64", "5.10"),
            ("7.3.4+deb13-cloud-amd64", "x86_64", "7.3"),
            ("7.3.4+deb13-cloud-arm64", "aarch64", "aarch64-7.3"),
        ] {
            let link = json!({ "kernel": [release, "#1 SMP"], "machine": machine, "name": "xdp" });
            assert_eq!(directory(&link).ok().as_deref(), Some(expected));
        }
        let unknown = json!({ "kernel": ["unknown", "#1 SMP"], "machine": "x86_64" });
        assert!(directory(&unknown).is_err());
        assert!(directory(&json!({})).is_err());
    }
}
