//! Walking the links of the machine, while they come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{AttachType, Error, LinkCreate, LinkId, RawLink, link_ids, links};
use bpf_link_tests::{Device, DeviceKind, Hook, Netns, Program, Sandbox, eventually, iterator};

use crate::fixture::{LOOPBACK, as_nobody, without_descriptors, xdp};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(ids_ascend_and_have_each_link_once),
    test!(links_are_the_ones_with_these_ids).alone(),
    test!(a_stable_link_is_met_every_time_under_churn).alone(),
    test!(a_link_that_is_still_being_attached).alone(),
    test!(lack_of_privilege_is_an_error),
    test!(one_link_that_cannot_be_opened_does_not_end_the_walk).alone(),
];

fn ids_ascend_and_have_each_link_once(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let ids = link_ids().collect::<Result<Vec<LinkId>, Error>>()?;
    ensure!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    ensure!(ids.contains(&link.id()?));
    let mut walk = link_ids();
    ensure!(walk.by_ref().count() > 0 && walk.next().is_none());
    Ok(())
}

fn links_are_the_ones_with_these_ids(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = xdp(&program)?;
    let mine = links()
        .filter_map(Result::ok)
        .find(|other| other.id().ok() == link.id().ok())
        .context("not met")?;
    ensure!(mine.info()? == link.info()?);
    ensure!(mine.info()?.program_id().map(u32::from) == Some(program.id()?));
    ensure!(mine.pin_path().is_none());
    Ok(())
}

/// Attaches and detaches until told to stop; returns how often.
fn churn(stop: &AtomicBool, program: &Program, netns: &Netns) -> Result<u64> {
    netns.inside(|| {
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            match RawLink::create(
                &LinkCreate::new(program, AttachType::Xdp).target_ifindex(LOOPBACK),
            ) {
                Ok(link) => drop(link),
                // The walk still holds the last one.
                Err(error) if error.errno() == Some(libc::EBUSY) => continue,
                Err(error) => bail!(error),
            }
            rounds += 1;
        }
        Ok(rounds)
    })
}

fn a_stable_link_is_met_every_time_under_churn(_sandbox: &Sandbox) -> Result<()> {
    const WALKS: usize = 500;
    const EACH_MET: usize = 20;
    let program = Program::passing(Hook::XDP)?;
    let stable = xdp(&program)?;
    let stable_id = stable.id()?;
    // Some more, so that the walk has something to lose.
    let listing = iterator("bpf_map", *b"element\n")?;
    let others = (0..EACH_MET)
        .map(|_| RawLink::create(&LinkCreate::new(&listing, AttachType::TraceIter)))
        .collect::<Result<Vec<_>, _>>()?;
    let others = others
        .iter()
        .map(RawLink::id)
        .collect::<Result<Vec<_>, _>>()?;

    let stop = AtomicBool::new(false);
    let namespaces = [Netns::create()?, Netns::create()?];
    thread::scope(|scope| {
        let churning: Vec<_> = namespaces
            .iter()
            .map(|netns| scope.spawn(|| churn(&stop, &program, netns)))
            .collect();
        let walked = (0..WALKS).try_for_each(|walk| {
            let met = links()
                .map(|link| link.and_then(|link| link.id()))
                .collect::<Result<Vec<_>, _>>()
                .with_context(|| format!("walk {walk}"))?;
            ensure!(
                met.is_sorted_by(|a, b| a < b),
                "walk {walk} met a link twice"
            );
            ensure!(
                met.contains(&stable_id),
                "walk {walk} missed the stable link"
            );
            ensure!(
                others.iter().all(|id| met.contains(id)),
                "walk {walk} missed a link"
            );
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        for thread in churning {
            let rounds = thread
                .join()
                .map_err(|_| anyhow::anyhow!("it panicked"))??;
            ensure!(rounds > 0, "nothing came and went");
        }
        walked
    })
}

fn a_link_that_is_still_being_attached(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let stop = AtomicBool::new(false);
    let netns = Netns::create()?;
    thread::scope(|scope| {
        let churning = scope.spawn(|| churn(&stop, &program, &netns));
        // An attachment waits for a lock that the coming and going of devices holds for long.
        let delaying = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                Device::create(DeviceKind::Veth, "delay")?.delete()?;
            }
            Ok(())
        });
        let met = eventually("an unsettled link is met", || {
            for id in link_ids() {
                match RawLink::from_id(id?) {
                    Ok(_) | Err(Error::Vanished(_)) => {}
                    Err(error @ Error::Unsettled(_)) => return Ok(Some(error)),
                    Err(error) => bail!(error),
                }
            }
            Ok(None)
        });
        stop.store(true, Ordering::Relaxed);
        for thread in [
            churning.join().map(|rounds| rounds.map(drop)),
            delaying.join(),
        ] {
            thread.map_err(|_| anyhow::anyhow!("it panicked"))??;
        }
        let error = met?;
        ensure!(error.errno() == Some(libc::EAGAIN), "{error:?}");
        Ok(())
    })
}

fn lack_of_privilege_is_an_error(_sandbox: &Sandbox) -> Result<()> {
    let _link = xdp(&Program::passing(Hook::XDP)?)?;
    as_nobody(|| {
        let mut ids = link_ids();
        let error = ids
            .next()
            .context("an empty list")?
            .err()
            .context("an id")?;
        ensure!(matches!(error, Error::PermissionDenied(_)), "{error:?}");
        ensure!(error.errno() == Some(libc::EPERM));
        ensure!(ids.next().is_none(), "the walk went on");
        let mut links = links();
        let item = links.next().context("an empty list")?;
        ensure!(matches!(item, Err(Error::PermissionDenied(_))), "{item:?}");
        ensure!(links.next().is_none(), "the walk went on");
        Ok(())
    })
}

fn one_link_that_cannot_be_opened_does_not_end_the_walk(_sandbox: &Sandbox) -> Result<()> {
    let first = xdp(&Program::passing(Hook::XDP)?)?;
    let netns = Netns::create()?;
    let second = netns.inside(|| xdp(&Program::passing(Hook::XDP)?))?;
    // Every link is refused, and each is met all the same.
    let met: Vec<_> = without_descriptors(|| links().collect())?;
    for link in [&first, &second] {
        let target = bpf_link::Target::Link(link.id()?);
        let refused = met.iter().any(|item| {
            let error = item.as_ref().err().and_then(Error::command_error);
            error.is_some_and(|error| {
                *error.target() == target && error.errno() == Some(libc::EMFILE)
            })
        });
        ensure!(refused, "{met:?}");
    }
    drop(netns);
    Ok(())
}
