//! Everything that a page says is written here, compiled.

mod cgroups;
mod events;
mod functions;
mod infos;
mod network;
mod order;
mod pins;
mod programs;

/// The sources of the modules.
pub(crate) const SOURCES: [&str; 8] = [
    include_str!("written/cgroups.rs"),
    include_str!("written/events.rs"),
    include_str!("written/functions.rs"),
    include_str!("written/infos.rs"),
    include_str!("written/network.rs"),
    include_str!("written/order.rs"),
    include_str!("written/pins.rs"),
    include_str!("written/programs.rs"),
];

/// What a row's expression is given to.
fn keep<T>(_kept: T) {}

/// A value that the compiled rows are about. None of them runs.
fn given<T>() -> T {
    unreachable!("the rows are compiled only")
}
