//! Errnos that C libraries do not have.

/// What the kernel answers for an operation that an object does not have; it is not meant for
/// programs, but reaches them.
pub(crate) const ENOTSUPP: i32 = 524;
