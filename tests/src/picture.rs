//! The README's picture of `bpf-links`, which a task draws of what a live test makes.

/// The variable with the path of the file that the test writes the table to, with its colours.
pub const COLOURED_VARIABLE: &str = "BPF_LINK_COLOURED";
