//! Looking at all links of a machine again and again, and at what is attached to one place
//! ([`hooks`]). Needs the feature `inspect`.
//!
//! ```no_run
//! use bpf_link_typed::inspect::Inventory;
//!
//! # fn example() -> bpf_link_typed::Result<()> {
//! let mut inventory = Inventory::load()?;
//! loop {
//!     let changes = inventory.refresh()?;
//!     for link in &changes.went {
//!         println!("{} has gone: {:?}", link.id(), link.info());
//!     }
//!     for id in &changes.came {
//!         println!("{:?}", inventory.get(*id));
//!     }
//!     std::thread::sleep(std::time::Duration::from_secs(1));
//! }
//! # }
//! ```

mod changes;
mod entry;
pub mod hooks;
mod inventory;
mod merge;

pub use bpf_link::{SnapshotEntry, SnapshotMethod, SnapshotRefusal, Snapshotter};
pub use changes::{Change, Changes};
pub use entry::InventoryEntry;
pub use inventory::Inventory;
