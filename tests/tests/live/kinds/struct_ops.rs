//! `struct_ops` links: structs of kernel callbacks, such as a congestion control of TCP.

mod ensure;
mod golden;
mod guards;
mod soak;
mod sorts;
mod typed;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, Error, LinkCreate, LinkKind, RawLink, Update};
use bpf_link_tests::{
    CongestionControl, CounterMap, Hook, Map, Program, Sandbox, eventually_holds, names,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_congestion;

use crate::fixture::traffic::{connect, exchange};
use crate::fixture::{ensure_refused, refusal};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::StructOps,
    Need::STRUCT_OPS,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(guards::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::STRUCT_OPS),
    test!(a_map_that_is_not_ready).needs(Need::STRUCT_OPS),
    test!(what_is_no_struct_ops).needs(Need::STRUCT_OPS),
    test!(a_name_that_is_taken).needs(Need::STRUCT_OPS),
    test!(an_update_under_another_name).needs(Need::STRUCT_OPS),
    test!(a_map_that_is_not_ready_for_an_update).needs(Need::STRUCT_OPS),
    test!(a_detached_link_hangs_up)
        .needs(Need::STRUCT_OPS)
        .also_needs(&[Need::Linux(6, 11)]),
    test!(a_map_is_linked_again).needs(Need::STRUCT_OPS),
    test!(before_there_were_links).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_STRUCT_OPS",
    ))]),
];

/// A congestion control is known to the whole machine, by its name.
fn name() -> String {
    names::object_name("cc")
}

fn map_id(id: u32) -> Field {
    field!(struct_ops.map_id, id).of_the_hook()
}

/// Uses the congestion control of this name on a new connection, if there is one.
fn use_it(name: &str) -> Result<()> {
    let [here, there] = connect()?;
    match set_tcp_congestion(&here, name) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error).context("choosing the congestion control"),
    }
    exchange(&here, &there)?;
    // What comes back acknowledges what was sent.
    exchange(&there, &here)
}

fn is_known(name: &str) -> Result<bool> {
    const LIST: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    Ok(list.split_ascii_whitespace().any(|known| known == name))
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let name = name();
    let load = || {
        let counter = CounterMap::new()?;
        let control = CongestionControl::counting(&name, &counter)?;
        let id = control.id()?;
        anyhow::Ok((id, Counting::map(control.into(), counter)))
    };
    let (id, first) = load()?;
    let (_, second) = load()?;
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::StructOps,
        first,
        second,
        create: &|map| RawLink::create(&LinkCreate::struct_ops(map)),
        event: &|_| use_it(&name),
        fields: vec![map_id(id)],
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn a_map_that_is_not_ready(_sandbox: &Sandbox) -> Result<()> {
    let unset = CongestionControl::unset()?;
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&unset)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn what_is_no_struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let (array, program) = (Map::array(4, 1)?, Program::passing(Hook::XDP)?);
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&array)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&program)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn a_name_that_is_taken(_sandbox: &Sandbox) -> Result<()> {
    let (first, second) = (
        CongestionControl::new(&name())?,
        CongestionControl::new(&name())?,
    );
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&second)),
        Error::Command(_),
        Some(libc::EEXIST)
    );
    drop(link);
    drop(RawLink::create(&LinkCreate::struct_ops(&second))?);
    Ok(())
}

fn an_update_under_another_name(_sandbox: &Sandbox) -> Result<()> {
    let (first, other) = (
        CongestionControl::new(&name())?,
        CongestionControl::new(&names::object_name("dd"))?,
    );
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    ensure_refused!(
        link.update(Update::map(&other)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    map_id(first.id()?).check(&link.info()?)?;
    ensure!(is_known(&name())? && !is_known(&names::object_name("dd"))?);
    Ok(())
}

fn a_map_that_is_not_ready_for_an_update(_sandbox: &Sandbox) -> Result<()> {
    let (first, unset) = (
        CongestionControl::new(&name())?,
        CongestionControl::unset()?,
    );
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    let array = Map::array(4, 1)?;
    for new in [Update::map(&unset), Update::map(&array)] {
        let error = refusal(link.update(new))?;
        ensure!(matches!(error, Error::Command(_)), "{error:?}");
        ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    }
    map_id(first.id()?).check(&link.info()?)
}

fn a_detached_link_hangs_up(_sandbox: &Sandbox) -> Result<()> {
    let control = CongestionControl::new(&name())?;
    let link = RawLink::create(&LinkCreate::struct_ops(&control))?;
    let hung_up = || {
        let mut watched = [PollFd::new(&link, PollFlags::empty())];
        poll(&mut watched, Some(&Timespec::default()))?;
        let [watched] = watched;
        anyhow::Ok(watched.revents().contains(PollFlags::HUP))
    };
    ensure!(!hung_up()? && is_known(&name())?);
    link.detach()?;
    ensure!(hung_up()? && !is_known(&name())?);
    Ok(())
}

fn a_map_is_linked_again(_sandbox: &Sandbox) -> Result<()> {
    let control = CongestionControl::new(&name())?;
    let link = RawLink::create(&LinkCreate::struct_ops(&control))?;
    link.detach()?;
    ensure!(!is_known(&name())?);
    let again = RawLink::create(&LinkCreate::struct_ops(&control))?;
    ensure!(is_known(&name())? && again.id()? != link.id()?);
    map_id(control.id()?).check(&again.info()?)?;
    // A link holds its map, and is made by this attach type as well.
    drop(again);
    let again = RawLink::create(&LinkCreate::new(&control, AttachType::StructOps))?;
    drop(control);
    ensure!(is_known(&name())?);
    drop(again);
    eventually_holds("its name is free", || Ok(!is_known(&name())?))?;
    Ok(())
}

/// Such a kernel has no map for a link either: an array stands for it, and the attach type comes
/// first.
fn before_there_were_links(_sandbox: &Sandbox) -> Result<()> {
    let array = Map::array(4, 1)?;
    ensure_refused!(
        RawLink::create(&LinkCreate::struct_ops(&array)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
