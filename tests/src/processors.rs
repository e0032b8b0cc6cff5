//! The processors of the machine.

use std::path::Path;

use anyhow::{Context as _, Result};

const DIRECTORY: &str = "/sys/devices/system/cpu";

/// The numbers of those that are online, in order, by what each says itself.
///
/// # Errors
///
/// sysfs does not tell.
pub fn online() -> Result<Vec<u32>> {
    let mut online = Vec::new();
    for entry in std::fs::read_dir(DIRECTORY).context(DIRECTORY)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            continue;
        };
        // One that cannot be put offline has no such file.
        let state = std::fs::read_to_string(entry.path().join("online"));
        if state.is_ok_and(|state| state.trim_end() == "0") {
            continue;
        }
        online.push(number);
    }
    online.sort_unstable();
    Ok(online)
}

/// The highest that the machine may have, if it is offline.
///
/// # Errors
///
/// sysfs does not tell.
pub fn offline() -> Result<Option<u32>> {
    let path = Path::new(DIRECTORY).join("possible");
    let possible = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let highest = possible.trim_end().rsplit(['-', ',']).next();
    let highest: u32 = highest.unwrap_or_default().parse().context(possible)?;
    Ok((!online()?.contains(&highest)).then_some(highest))
}
