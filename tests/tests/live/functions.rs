//! Functions that tests put probes into and trace.

pub(crate) mod kernel;
pub(crate) mod listed;
pub(crate) mod module;
pub(crate) mod own;
pub(crate) mod test;
