//! What kernels have said of links, as `tests/fixtures` has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::workspace;

/// In the form that `Input::from_bytes` of the target reads.
pub(super) fn seeds() -> Result<Vec<Vec<u8>>> {
    let mut seeds = vec![];
    for path in files_below(&workspace::root().join("tests/fixtures"))? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let recorded = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        seeds.push(info(&recorded).with_context(|| path.display().to_string())?);
    }
    Ok(seeds)
}

/// The files below a directory, in order.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The length of the info and of the name, a byte each; the two; and the numbers of one array.
fn info(recorded: &Value) -> Result<Vec<u8>> {
    let mut info = vec![];
    for line in recorded["info"].as_array().context("no info")? {
        let digits = line
            .as_str()
            .context("the info is no text")?
            .replace(' ', "");
        for at in (0..digits.len()).step_by(2) {
            let byte = digits.get(at..at + 2).context("half a byte")?;
            info.push(u8::from_str_radix(byte, 16)?);
        }
    }
    let (mut name, mut numbers) = (vec![], vec![]);
    for buffer in recorded["buffers"]
        .as_object()
        .context("no buffers")?
        .values()
    {
        match buffer {
            Value::String(text) => name = text.as_bytes().to_vec(),
            Value::Array(array) if numbers.is_empty() => {
                for number in array {
                    let digits = number.as_str().context("a number is no text")?;
                    let number = u64::from_str_radix(digits.trim_start_matches("0x"), 16)?;
                    numbers.extend(number.to_le_bytes());
                }
            }
            _ => {}
        }
    }
    let lens = [u8::try_from(info.len())?, u8::try_from(name.len())?];
    Ok([&lens, info.as_slice(), &name, &numbers].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_recorded_info_is_a_seed() {
        let recorded = json!({
            "info": ["01000000 02000000", "03"],
            "buffers": { "cookies": ["0x5"], "name": "x\0", "offsets": ["0x6"] },
        });
        let seed = super::info(&recorded).expect("it is whole");
        let expected = [
            9, 2, 1, 0, 0, 0, 2, 0, 0, 0, 3, b'x', 0, 5, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(seed, expected);
    }
}
