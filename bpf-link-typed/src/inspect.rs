//! An up-to-date view of all links of a machine: what they are, who holds them, where they are
//! pinned, and the names of what they are attached to. [`hooks`] shows what is attached to one
//! place. Needs the feature `inspect`.
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
mod description;
mod entry;
mod holders;
pub mod hooks;
mod inventory;
#[cfg(feature = "serde")]
pub mod json;
mod merge;
mod mounts;
mod names;
mod own_netns;
mod pins;

pub use bpf_link::{
    IterRefusal, LinkFile, LinkFileScanner, LinkFiles, SnapshotEntry, SnapshotMethod,
    SnapshotRefusal, Snapshotter,
};
pub use changes::{Change, Changes};
pub use description::LinkDescription;
pub use entry::InventoryEntry;
pub use holders::{Holder, HolderMethod, Holders, NoIterator, UnreadHolders};
pub use inventory::Inventory;
pub use mounts::{Mount, Mounts};
pub use names::{
    CounterName, KernelFunctionOffset, LinkDevice, NameNote, Names, NamesOf, TracedFunction,
    TracingTarget,
};
pub use pins::{PinNote, Pins};
