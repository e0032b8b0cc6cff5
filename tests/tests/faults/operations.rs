//! The operations: every one of `RawLink`, and those of the typed layer that make other system
//! calls.
//!
//! An operation sets its scene, attempts what it is about, holds what the kernel has against what
//! it was told, and does it again without a fault. What is left over when it returns is looked for
//! by the driver.

mod create;
mod ensure;
mod life;
mod objects;
mod open;
mod pin;
mod probe;
mod set;
mod typed;

use anyhow::Result;
use bpf_link_tests::in_form;

use crate::call::Class;
use crate::run::Run;

/// Something that a user of the libraries does.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Run<'_>) -> Result<()>,
    pub(crate) class: Class,
}

impl Operation {
    const fn new(name: &'static str, run: fn(&mut Run<'_>) -> Result<()>) -> Self {
        let class = Class::Plain;
        Self { name, run, class }
    }

    const fn walking(self) -> Self {
        Self {
            class: Class::Walk,
            ..self
        }
    }

    const fn of_a_set(self) -> Self {
        Self {
            class: Class::Set,
            ..self
        }
    }
}

/// Lists functions of a file as operations.
macro_rules! operations {
    ($($function:ident),+ $(,)?) => {
        &[$($crate::operations::Operation::new(stringify!($function), $function)),+]
    };
}
use operations;

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Operation> {
    [
        create::OPERATIONS,
        ensure::OPERATIONS,
        ensure::WALKS,
        in_form(&[], ensure::BY_NAME),
        life::OPERATIONS,
        objects::OPERATIONS,
        open::OPERATIONS,
        open::WALKS,
        pin::OPERATIONS,
        probe::OPERATIONS,
        set::OPERATIONS,
        typed::OPERATIONS,
        typed::WALKS,
    ]
    .into_iter()
    .flatten()
}
