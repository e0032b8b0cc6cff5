//! What this crate's iterator programs have in common: the kernel runs one for each object.
//!
//! Such a program reads numbers of kernel structures, which are looked up by name when it is
//! loaded, and writes a record of a fixed size for each object. `look` finds the numbers in the
//! kernel's types, `read` has the steps that read them, `skip` the conditions and `instruction` the
//! single instructions, `load` gets the program into the kernel, and a `run` of it returns the
//! records.

pub(crate) mod instruction;
pub(crate) mod load;
pub(crate) mod look;
pub(crate) mod read;
pub(crate) mod refusal;
pub(crate) mod run;
pub(crate) mod skip;
