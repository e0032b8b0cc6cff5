//! Whether the kernel has a kind of link.
//!
//! Only what is certain is kept, so what was refused for a fault is asked again when the next fault
//! is tried; and once it is answered, a process makes no more calls about it.

use anyhow::Result;
use bpf_link::{Error, LinkKind, Support};

use super::{Operation, operations};
use crate::run::Run;

pub(super) const OPERATIONS: &[Operation] = operations![
    probe_an_object,
    probe_a_tracepoint,
    probe_by_the_kernels_types,
    probe_by_a_map,
];

fn probe(run: &mut Run<'_>, kind: LinkKind) -> Result<()> {
    run.attempt(|| match kind.probe() {
        Support::Yes => Ok(()),
        Support::No(refusal) => Err(Error::Command(refusal)),
        Support::Unknown(error) => Err(error),
        answer => panic!("{answer:?}"),
    })?;
    Ok(())
}

fn probe_an_object(run: &mut Run<'_>) -> Result<()> {
    probe(run, LinkKind::Xdp)
}

fn probe_a_tracepoint(run: &mut Run<'_>) -> Result<()> {
    probe(run, LinkKind::RawTracepoint)
}

fn probe_by_the_kernels_types(run: &mut Run<'_>) -> Result<()> {
    probe(run, LinkKind::Iter)
}

fn probe_by_a_map(run: &mut Run<'_>) -> Result<()> {
    probe(run, LinkKind::StructOps)
}
