//! What the kernel's `unpriv_bpf_disabled`, `test_struct_ops_module`, `bpf_tcp_ca` and `perf_link`
//! assert.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, LinkCreate, LinkId, RawLink, Update};
use bpf_link_tests::{CongestionControl, Hook, Map, PerfEvent, Sandbox, eventually_holds, names};
use bpf_link_typed::{Link, PerfEventAttach, StructOpsAttach};
use rustix::event::epoll;

use crate::fixture::attaching::counting;
use crate::fixture::{LOOPBACK, as_nobody, ensure_refused};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_descriptor_takes_no_privilege)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Linux(5, 19)]),
    test!(a_detached_link_is_told_to_who_waits)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::Linux(6, 11)]),
    test!(a_map_that_is_not_for_links).needs(Need::STRUCT_OPS),
    test!(an_event_runs_until_its_link_is_let_go).needs(Need::PERF_EVENT),
];

/// A caller that has the descriptors attaches, and asks; but finds nobody else's.
fn a_descriptor_takes_no_privilege(_sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::clock(1_000_000)?;
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let link = as_nobody(|| {
        let link = PerfEventAttach::to_event(&event).attach(&program)?;
        ensure!(link.info()?.program_id.map(u32::from) == Some(program.id()?));
        let again = Link::try_from(link.as_raw().try_clone()?)?;
        ensure!(again.id()? == link.id()?);
        Ok(link)
    })?;
    let before = counter.read()?;
    eventually_holds("a tick", || Ok(counter.read()? > before))?;
    let id = link.id()?;
    as_nobody(|| {
        let denied = Some(libc::EPERM);
        ensure_refused!(RawLink::from_id(id), Error::PermissionDenied(_), denied);
        let first = bpf_link::links().next().context("it says nothing")?;
        ensure_refused!(first, Error::PermissionDenied(_), denied);
        let hook = bpf_link::Hook::of_device(bpf_link::AttachType::TcxIngress, LOOPBACK);
        ensure_refused!(hook.query(), Error::PermissionDenied(_), denied);
        let other = LinkId::new(u32::from(id) + 1000).context("0")?;
        ensure_refused!(RawLink::from_id(other), Error::PermissionDenied(_), denied);
        Ok(())
    })
}

fn a_detached_link_is_told_to_who_waits(_sandbox: &Sandbox) -> Result<()> {
    let control = CongestionControl::new(&names::object_name("cc"))?;
    let link = StructOpsAttach::of(&control).attach()?;
    let watch = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64(7);
    epoll::add(&watch, link.as_raw(), data, epoll::EventFlags::HUP)?;
    let mut events = Vec::with_capacity(4);
    let now = rustix::event::Timespec::default();
    let mut waiting = || {
        events.clear();
        epoll::wait(
            &watch,
            rustix::buffer::spare_capacity(&mut events),
            Some(&now),
        )?;
        let found = events
            .iter()
            .map(|event: &epoll::Event| (event.data.u64(), event.flags));
        anyhow::Ok(found.collect::<Vec<_>>())
    };
    ensure!(waiting()?.is_empty());
    link.detach()?;
    ensure!(waiting()? == [(7, epoll::EventFlags::HUP)]);
    // It stays so.
    ensure!(waiting()? == [(7, epoll::EventFlags::HUP)]);
    Ok(())
}

/// It was made without `BPF_F_LINK`.
fn a_map_that_is_not_for_links(_sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("cc");
    let other = CongestionControl::unset_and_without_links()?;
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&other)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let control = CongestionControl::new(&name)?;
    let link = StructOpsAttach::of(&control).attach()?;
    for map in [&other as &dyn std::os::fd::AsFd, &Map::array(4, 1)?] {
        let map = map.as_fd();
        ensure_refused!(
            link.as_raw().update(Update::map(&map)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    ensure!(link.info()?.map_id.map(u32::from) == Some(control.id()?));
    Ok(())
}

fn an_event_runs_until_its_link_is_let_go(_sandbox: &Sandbox) -> Result<()> {
    let event = PerfEvent::clock(1_000_000)?;
    let (program, counter) = counting(Hook::PERF_EVENT)?;
    let link = PerfEventAttach::to_event(&event).attach(&program)?;
    let info = link.info()?;
    ensure!(info.id == link.id()? && info.program_id.map(u32::from) == Some(program.id()?));
    eventually_holds("a tick", || Ok(counter.read()? > 0))?;
    drop(link);
    let before = counter.read()?;
    // Work for much longer than a tick takes.
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_millis(50) {
        std::hint::black_box(start);
    }
    ensure!(counter.read()? == before, "it still runs");
    Ok(())
}
