//! The values that [`LinkDescription`](super::LinkDescription) serializes to, for JSON of your own
//! in the same form. Needs the feature `serde`.

mod functions;
mod kinds;
mod link;
mod values;

pub use values::{Each, NameOrNumber, entry, name, name_if_any, paths};
