//! What takes no memory from the heap.

use allocation_counter::measure;
use anyhow::{Result, ensure};
use bpf_link::{AttachType, InfoBuffers, LinkCreate, RawLink, link_ids, links};
use bpf_link_tests::{Hook, Program, Sandbox, iterator};

use crate::fixture::xdp;
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(the_counter_counts),
    test!(info_of_a_kind_of_fixed_size),
    test!(info_into_lent_buffers),
    test!(a_walk).alone(),
];

/// How many allocations it makes, and what it comes to.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let mut result = None;
    let counted = measure(|| result = Some(work()));
    (counted.count_total, result.expect("measured"))
}

fn the_counter_counts(_sandbox: &Sandbox) -> Result<()> {
    ensure!(allocations(|| vec![1_u8]).0 == 1);
    Ok(())
}

fn info_of_a_kind_of_fixed_size(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let (count, info) = allocations(|| link.info());
    info?;
    ensure!(count == 0, "{count} allocations");
    Ok(())
}

fn info_into_lent_buffers(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let link = RawLink::create(&LinkCreate::new(&program, AttachType::TraceIter))?;
    let mut name = [0; 16];
    let (count, info) = allocations(|| {
        link.info_with(InfoBuffers::Iter {
            target_name: &mut name,
        })
    });
    info?;
    ensure!(
        name.starts_with(b"bpf_map\0") && count == 0,
        "{count} allocations"
    );
    Ok(())
}

fn a_walk(_sandbox: &Sandbox) -> Result<()> {
    let _link = xdp(&Program::passing(Hook::XDP)?)?;
    let (count, ids) = allocations(|| link_ids().flatten().count());
    ensure!(ids > 0 && count == 0, "{count} allocations for {ids} ids");
    let (count, infos) = allocations(|| {
        links()
            .filter(|link| link.as_ref().is_ok_and(|link| link.info().is_ok()))
            .count()
    });
    ensure!(
        infos > 0 && count == 0,
        "{count} allocations for {infos} links"
    );
    Ok(())
}
