//! Every sort of sockmap link, attached through its type with every option that it has.

use std::net::TcpStream;
use std::os::fd::AsRawFd as _;

use anyhow::Result;
use bpf_link_sys::{BPF_MAP_TYPE_SOCKHASH, BPF_SK_SKB_STREAM_PARSER};
use bpf_link_tests::{Hook, Map, Sandbox};
use bpf_link_typed::{SockmapAttach, SockmapHook};
use serde_json::json;

use crate::fixture::traffic::{MESSAGE, connect, exchange};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{SubKind, two};

pub(crate) const TESTS: &[Test] = &[
    test!(message_verdict).needs(Need::SOCKMAP),
    test!(packet_verdict).needs(Need::SOCKMAP),
    test!(stream_parser).needs(Need::SOCKMAP),
    test!(stream_verdict).needs(Need::SOCKMAP),
];

fn insert(map: &Map, socket: &TcpStream) -> Result<()> {
    map.update(&[0; 4], &socket.as_raw_fd().to_ne_bytes())
}

/// A socket keeps the programs that the map had when it was put there: each time it has to be a new
/// one.
fn receive_in(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &there)?;
    exchange(&here, &there)
}

fn send_from(map: &Map) -> Result<()> {
    let [here, there] = connect()?;
    insert(map, &here)?;
    exchange(&here, &there)
}

/// Of an array and of a table.
fn check(
    sandbox: &Sandbox,
    (hook, of): (Hook, SockmapHook),
    event: fn(&Map) -> Result<()>,
) -> Result<()> {
    for map in [Map::sockmap(1)?, Map::new(BPF_MAP_TYPE_SOCKHASH, 4, 4, 1)?] {
        // Only who judges a message has its end looked for.
        let verdict = Counting::program(Hook::SK_SKB_STREAM_VERDICT)?;
        let to = SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict);
        let _verdict = match of {
            SockmapHook::SkbStreamParser => Some(to.attach(&verdict)?),
            _ => None,
        };
        SubKind {
            sandbox,
            programs: two(hook)?,
            attach: &|program| Ok(SockmapAttach::to(&map, of).attach(program)?.into()),
            info: &|_| Ok(json!({ "map_id": map.id()?, "attach_type": of.attach_type() })),
            event: &|_| event(&map),
        }
        .check()?;
    }
    Ok(())
}

fn message_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_MSG_VERDICT, SockmapHook::MsgVerdict);
    check(sandbox, sort, send_from)
}

fn packet_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_SKB_VERDICT, SockmapHook::SkbVerdict);
    check(sandbox, sort, receive_in)
}

fn stream_verdict(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_SKB_STREAM_VERDICT, SockmapHook::SkbStreamVerdict);
    check(sandbox, sort, receive_in)
}

fn stream_parser(sandbox: &Sandbox) -> Result<()> {
    let program_type = Hook::SK_SKB_STREAM_VERDICT.program_type;
    let message_length = i32::try_from(MESSAGE.len())?;
    let hook = Hook::new(program_type, BPF_SK_SKB_STREAM_PARSER, message_length);
    check(sandbox, (hook, SockmapHook::SkbStreamParser), receive_in)
}
