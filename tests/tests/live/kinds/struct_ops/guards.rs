//! Updates that would crash the kernel, in every way in which they can be written: none is sent.
//!
//! They run on a kernel that was booted for the tests only: a guard that does not hold takes the
//! machine with it.

use anyhow::{Result, ensure};
use bpf_link::{Error, InvalidRequest, LinkCreate, RawLink, Update, UpdateFlags};
use bpf_link_tests::{CongestionControl, Sandbox};
use rustix::net::sockopt::set_tcp_congestion;

use super::{is_known, map_id, name};
use crate::fixture::chain::check_refusal;
use crate::fixture::traffic::connect;
use crate::fixture::{as_nobody, ensure_refused};
use crate::harness::{Need, Test, test};
use crate::suites::descriptor_zero;

pub(crate) const TESTS: &[Test] = &[
    test!(the_map_that_is_there_already)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(a_replacement_of_descriptor_zero)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(two_threads_and_two_maps)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
    test!(a_map_out_of_reach)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::OwnKernel]),
];

fn two_maps() -> Result<[CongestionControl; 2]> {
    let name = name();
    Ok([
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    ])
}

/// Every way to write an update to this map.
fn spellings(map: &CongestionControl) -> [Update<'_>; 3] {
    [Update::map(map), Update::program(map), map.into()]
}

/// The kernel would take it off its list of congestion controls, or crash on it.
fn the_map_that_is_there_already(_sandbox: &Sandbox) -> Result<()> {
    let [first, second] = two_maps()?;
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    for again in spellings(&first) {
        link.update(again)?;
        link.update(again.expecting(&first))?;
        ensure_refused!(
            link.update(again.expecting(&second)),
            Error::OldProgramMismatch { attached: None, .. },
            Some(libc::EPERM)
        );
    }
    for other in spellings(&second) {
        ensure_refused!(
            link.update(other.expecting(&second)),
            Error::OldProgramMismatch { attached: None, .. },
            Some(libc::EPERM)
        );
    }
    map_id(first.id()?).check(&link.info()?)?;
    ensure!(is_known(&name())?);
    let [here, _there] = connect()?;
    set_tcp_congestion(&here, &name())?;

    for other in spellings(&second) {
        link.update(other)?;
        link.update(other)?;
        map_id(second.id()?).check(&link.info()?)?;
        link.update(Update::map(&first).expecting(&second))?;
        map_id(first.id()?).check(&link.info()?)?;
    }
    ensure!(is_known(&name())?);
    // Once no map is there any more, there is nothing to put another on.
    link.detach()?;
    for update in spellings(&first) {
        ensure_refused!(link.update(update), Error::HookGone(_), Some(libc::ENOLINK));
        ensure_refused!(
            link.update(update.expecting(&first)),
            Error::HookGone(_),
            Some(libc::ENOLINK)
        );
    }
    Ok(())
}

/// With the flag and without a map the kernel would expect the one with descriptor 0, which may be
/// the new one.
fn a_replacement_of_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let [first, second] = two_maps()?;
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    for map in [&first, &second] {
        descriptor_zero::with(map, |_| {
            for update in spellings(map) {
                let refused = link.update(update.flags(UpdateFlags::REPLACE));
                let error = check_refusal(refused, &[&format!("link {}", link.id()?)])?;
                ensure!(
                    matches!(
                        error,
                        Error::InvalidRequest(InvalidRequest::NothingExpected { .. })
                    ),
                    "{error:?}"
                );
            }
            Ok(())
        })?;
    }
    map_id(first.id()?).check(&link.info()?)
}

/// Each update would find its map there already, were it sent a moment later.
fn two_threads_and_two_maps(_sandbox: &Sandbox) -> Result<()> {
    const UPDATES: usize = 2_000;
    let maps = two_maps()?;
    let [first, _] = &maps;
    let link = RawLink::create(&LinkCreate::struct_ops(first))?;
    let in_turn = |begin: usize| {
        for map in maps.iter().cycle().skip(begin).take(UPDATES) {
            link.update(Update::map(map))?;
        }
        anyhow::Ok(())
    };
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|begin| scope.spawn(move || in_turn(begin)));
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        anyhow::Ok(())
    })?;
    ensure!(is_known(&name())?);
    Ok(())
}

/// Without the privilege to open the map that is there, it cannot be expected; the caller can name
/// it.
fn a_map_out_of_reach(_sandbox: &Sandbox) -> Result<()> {
    let [first, second] = two_maps()?;
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    let id = first.id()?;
    as_nobody(|| {
        for update in spellings(&second) {
            let words = [format!("map {id}"), format!("link {}", link.id()?)];
            let error = check_refusal(link.update(update), &[&words[0], &words[1]])?;
            let Error::MapOutOfReach { attached, .. } = error else {
                anyhow::bail!("{error:?}");
            };
            ensure!(error.errno() == Some(libc::EPERM) && attached.get() == id);
        }
        link.update(Update::map(&first))?;
        link.update(Update::map(&second).expecting(&first))?;
        Ok(())
    })?;
    map_id(second.id()?).check(&link.info()?)
}
