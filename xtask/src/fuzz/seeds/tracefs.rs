//! What the kernel that runs here says about its functions, some lines of it, and about the fields
//! of perf events.

use std::fs;

use anyhow::{Context as _, Result};

const SYMBOLS: &str = "/proc/kallsyms";
/// How many lines make a seed.
const LINES: usize = 8;

/// Lines from the beginning, the middle and the end, where those of modules are.
fn parts() -> Result<Vec<String>> {
    let table = fs::read_to_string(SYMBOLS).context(SYMBOLS)?;
    let lines: Vec<&str> = table.lines().collect();
    let places = [
        0,
        lines.len() / 3,
        lines.len() / 2,
        lines.len().saturating_sub(LINES),
    ];
    let part = |place: usize| {
        lines
            .iter()
            .skip(place)
            .take(LINES)
            .copied()
            .collect::<Vec<_>>()
    };
    let mut parts = places.map(|place| part(place).join("\n") + "\n").to_vec();
    // A function of a module, as this kernel may have none.
    parts.push("ffffffffc0000010 t nf_conntrack_in\t[nf_conntrack]\n".to_owned());
    Ok(parts)
}

/// Every other name of a part, the part, and every third name as what can be traced, with a NUL
/// between two; and numbers and fields.
pub(super) fn seeds() -> Result<Vec<Vec<u8>>> {
    let mut seeds = vec![];
    for part in parts()? {
        let names = || part.lines().filter_map(|line| line.split(' ').nth(2));
        let asked: Vec<&str> = names().step_by(2).collect();
        let functions: Vec<&str> = names().step_by(3).collect();
        let [asked, functions] = [asked, functions].map(|names| names.join("\n"));
        seeds.push(format!("{asked}\0{part}"));
        seeds.push(format!("{asked}\0{part}\0{functions}"));
        let with_address = |line: &str| {
            let mut words = line.split(' ');
            Some(format!("{} {}\n", words.next()?, words.nth(1)?))
        };
        let functions: String = part.lines().step_by(3).filter_map(with_address).collect();
        seeds.push(format!("{asked}\0{part}\0{functions}"));
    }
    seeds.extend(["316\n", "config:0\n", "config:32-63\n"].map(str::to_owned));
    Ok(seeds.into_iter().map(String::into_bytes).collect())
}
