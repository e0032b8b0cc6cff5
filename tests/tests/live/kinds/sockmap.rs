//! Sockmap links: what becomes of the data of the sockets in a map.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::net::TcpStream;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachFlags, AttachType, Error, LinkCreate, LinkKind, RawLink};
use bpf_link_sys::{BPF_MAP_TYPE_SOCKHASH, BPF_SK_MSG_VERDICT, BPF_SK_SKB_STREAM_PARSER};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds};

use crate::fixture::ensure_refused;
use crate::fixture::traffic::{MESSAGE, connect, exchange};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Sockmap,
    Need::SOCKMAP,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::SOCKMAP),
    test!(conforms_on_received_packets).needs(Need::SOCKMAP),
    test!(conforms_on_received_streams).needs(Need::SOCKMAP),
    test!(conforms_on_parsed_streams).needs(Need::SOCKMAP),
    test!(a_table_of_sockets).needs(Need::SOCKMAP),
    test!(one_link_to_a_slot).needs(Need::SOCKMAP),
    test!(what_is_no_map_of_sockets).needs(Need::SOCKMAP),
    test!(the_map_is_descriptor_zero).needs(Need::SOCKMAP),
    test!(a_program_that_does_not_fit).needs(Need::SOCKMAP),
    test!(flags_that_there_are_not).needs(Need::SOCKMAP),
    test!(the_link_holds_the_map).needs(Need::SOCKMAP),
    test!(what_was_attached_without_a_link_is_lost).needs(Need::SOCKMAP),
    test!(before_there_was_sockmap).needs(&[Need::Without(&Need::Constant(
        "bpf_link_type",
        "BPF_LINK_TYPE_SOCKMAP",
    ))]),
];

const SENT: AttachType = AttachType::SkMsgVerdict;

fn request<'a>(map: &'a Map, program: &'a Program) -> LinkCreate<'a> {
    LinkCreate::new(program, SENT).target_fd(map)
}

fn fields(map: u32, attach_type: AttachType) -> Vec<Field> {
    vec![
        field!(sockmap.map_id, map).of_the_hook(),
        field!(sockmap.attach_type, attach_type.as_raw()),
    ]
}

fn insert(map: &Map, socket: &TcpStream) -> Result<()> {
    map.update(&0u32.to_ne_bytes(), &socket.as_raw_fd().to_ne_bytes())
}

/// A socket gets the map's programs when it is put into the map, and keeps them: each time it has
/// to be a new one.
fn send_from_the_map(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &here)?;
    exchange(&here, &there)
}

fn receive_in_the_map(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &there)?;
    exchange(&here, &there)
}

fn conforms_with(
    sandbox: &Sandbox,
    map: &Map,
    (hook, attach_type): (Hook, AttachType),
    event: fn(&Map) -> Result<()>,
) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Sockmap,
        first: Counting::program(hook)?,
        second: Counting::program(hook)?,
        create: &|program| RawLink::create(&LinkCreate::new(program, attach_type).target_fd(map)),
        event: &|_| event(map),
        fields: fields(map.id()?, attach_type),
        update: Operation::Works,
        detach: Operation::Works,
    })
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    conforms_with(
        sandbox,
        &map,
        (Hook::SK_MSG_VERDICT, SENT),
        send_from_the_map,
    )
}

fn conforms_on_received_packets(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    conforms_with(
        sandbox,
        &map,
        (Hook::SK_SKB_VERDICT, AttachType::SkSkbVerdict),
        receive_in_the_map,
    )
}

fn conforms_on_received_streams(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    conforms_with(
        sandbox,
        &map,
        (Hook::SK_SKB_STREAM_VERDICT, AttachType::SkSkbStreamVerdict),
        receive_in_the_map,
    )
}

/// A parser says how long the message is that begins a stream, and needs somebody who judges it.
fn conforms_on_parsed_streams(sandbox: &Sandbox) -> Result<()> {
    let message_length = i32::try_from(MESSAGE.len())?;
    let parser = Hook::new(
        Hook::SK_SKB_STREAM_VERDICT.program_type,
        BPF_SK_SKB_STREAM_PARSER,
        message_length,
    );
    let map = Map::sockmap(1)?;
    let verdict = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    let request = LinkCreate::new(&verdict, AttachType::SkSkbStreamVerdict).target_fd(&map);
    let _verdict = RawLink::create(&request)?;
    conforms_with(
        sandbox,
        &map,
        (parser, AttachType::SkSkbStreamParser),
        receive_in_the_map,
    )
}

fn a_table_of_sockets(sandbox: &Sandbox) -> Result<()> {
    let map = Map::new(BPF_MAP_TYPE_SOCKHASH, 4, 4, 1)?;
    conforms_with(
        sandbox,
        &map,
        (Hook::SK_MSG_VERDICT, SENT),
        send_from_the_map,
    )
}

fn one_link_to_a_slot(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let create = |hook, attach_type| {
        let program = Program::passing(hook)?;
        let created = RawLink::create(&LinkCreate::new(&program, attach_type).target_fd(&map));
        anyhow::Ok(created)
    };
    let packets = (Hook::SK_SKB_VERDICT, AttachType::SkSkbVerdict);
    let streams = (Hook::SK_SKB_STREAM_VERDICT, AttachType::SkSkbStreamVerdict);
    let sent = (Hook::SK_MSG_VERDICT, SENT);
    let link = create(packets.0, packets.1)??;
    // The one place of a map has either of them.
    for (hook, attach_type) in [packets, streams] {
        ensure_refused!(
            create(hook, attach_type)?,
            Error::Command(_),
            Some(libc::EBUSY)
        );
    }
    let _other_slot = create(sent.0, sent.1)??;
    link.detach()?;
    drop(create(streams.0, streams.1)??);
    Ok(())
}

fn what_is_no_map_of_sockets(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let array = Map::array(4, 1)?;
    let file = std::fs::File::open("/proc/self/comm")?;
    for fd in [array.as_fd(), file.as_fd(), program.as_fd()] {
        ensure_refused!(
            RawLink::create(&LinkCreate::new(&program, SENT).target_fd(&fd)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn the_map_is_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let program = Counting::program(Hook::SK_MSG_VERDICT)?;
    let link = descriptor_zero::with(&map, |zero| {
        Ok(RawLink::create(
            &LinkCreate::new(&program, SENT).target_fd(&zero),
        )?)
    })?;
    for field in fields(map.id()?, SENT) {
        field.check(&link.info()?)?;
    }
    ensure!(program.runs(|| send_from_the_map(&map))?);
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    for hook in [Hook::XDP, Hook::SK_SKB_VERDICT] {
        let program = Program::passing(hook)?;
        ensure_refused!(
            RawLink::create(&request(&map, &program)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let link = RawLink::create(&request(&map, &program))?;
    let other = Program::passing(Hook::SK_SKB_VERDICT)?;
    ensure_refused!(link.update(&other), Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

fn flags_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    ensure_refused!(
        RawLink::create(&request(&map, &program).flags(AttachFlags::BEFORE)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn the_link_holds_the_map(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let id = map.id()?;
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let link = RawLink::create(&request(&map, &program))?;
    drop(map);
    for field in fields(id, SENT) {
        field.check(&link.info()?)?;
    }
    // It is there, and can be opened.
    let map = Map::from(sys::fd_by_id(sys::IdSpace::Map, id).context("the map has gone")?);
    ensure!(map.id()? == id);
    Ok(())
}

fn what_was_attached_without_a_link_is_lost(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let (without, with) = (
        Program::passing(Hook::SK_MSG_VERDICT)?,
        Program::passing(Hook::SK_MSG_VERDICT)?,
    );
    let there = || sys::prog_query(LinkTarget::Fd(map.as_fd()), BPF_SK_MSG_VERDICT);
    sys::prog_attach(map.as_fd(), without.as_fd(), BPF_SK_MSG_VERDICT, 0)?;
    ensure!(there()? == [without.id()?]);
    let link = RawLink::create(&request(&map, &with))?;
    ensure!(there()? == [with.id()?]);
    drop(link);
    eventually_holds("nothing is attached", || Ok(there()?.is_empty()))?;
    Ok(())
}

fn before_there_was_sockmap(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    ensure_refused!(
        RawLink::create(&request(&map, &program)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
