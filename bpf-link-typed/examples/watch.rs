//! Watches all links of the machine, and prints a line of JSON for each that comes, changes or
//! goes.
//!
//! As root; end it with Ctrl-C:
//!
//! ```console
//! cargo run -p bpf-link-typed --features inspect,serde --example watch
//! ```

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use bpf_link_typed::inspect::{Inventory, InventoryEntry};
use bpf_link_typed::{LinkId, LinkInfo};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(500);

/// A line of the output.
#[derive(serde::Serialize)]
struct Line<'a> {
    event: &'a str,
    link: LinkId,
    /// All that the kernel says about a link of its kind. What it does not report is null.
    info: Option<&'a LinkInfo>,
    /// Why there is no newer info than this.
    error: Option<String>,
}

fn main() -> Result<()> {
    let mut inventory = Inventory::load()?;
    loop {
        // At first all links come. Only new and changed links are asked for their info.
        let news = inventory.refresh()?;
        let came = news.came.iter().map(|id| ("came", *id));
        let changed = news.changed.iter().map(|change| ("changed", change.id));
        for (event, id) in came.chain(changed) {
            if let Some(entry) = inventory.get(id) {
                print(event, entry)?;
            }
        }
        for entry in &news.went {
            print("went", entry)?;
        }
        std::thread::sleep(PERIOD);
    }
}

fn print(event: &str, entry: &InventoryEntry) -> Result<()> {
    let json = serde_json::to_string(&Line {
        event,
        link: entry.id(),
        info: entry.info(),
        error: entry.refused().map(ToString::to_string),
    })?;
    writeln!(std::io::stdout(), "{json}")?;
    Ok(())
}
