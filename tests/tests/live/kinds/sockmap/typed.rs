//! sockmap links through their type: attaching, info, queries, and what is refused.

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds};
use bpf_link_typed::{AttachType, Error, MapId, SockmapAttach, SockmapHook, SockmapLink};

use crate::fixture::attaching::{
    counting, counts, ensure_error, entries, id_of, only_a_path, request, stops, without,
};
use crate::fixture::traffic::{connect, exchange};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { SockmapLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).alone().needs(Need::SOCKMAP),
    test!(more_errors).needs(Need::SOCKMAP),
    test!(without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_SOCKMAP")),
    test!(info).needs(Need::SOCKMAP),
    test!(query).needs(Need::SOCKMAP),
    test!(query_errors).needs(&[Need::SOCKMAP_QUERY]),
    test!(before_sockmaps_were_asked).needs(&[Need::Without(&Need::SOCKMAP_QUERY)]),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let (program, counter) = counting(Hook::SK_MSG_VERDICT)?;
    let send = || {
        let [here, there] = connect()?;
        map.update(&0u32.to_ne_bytes(), &here.as_raw_fd().to_ne_bytes())?;
        exchange(&here, &there)
    };
    let named = format!("map {}", map.id()?);
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let link = to.attach(&program)?;
    let info = link.info()?;
    ensure!(info.map_id == MapId::new(map.id()?) && info.program_id == id_of(&program)?);
    ensure!(info.attach_type == SockmapHook::MsgVerdict.attach_type());
    ensure!(counts(&counter, send)?);
    ensure_error!(
        to.attach(&program),
        Error::HookTaken { .. },
        Some(libc::EBUSY),
        &[&named]
    );
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&program),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[&named]
    );
    drop(link);
    stops(&counter, send)?;

    let packets = Program::passing(Hook::SK_SKB_VERDICT)?;
    let streams = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    let _link = SockmapAttach::to(&map, SockmapHook::SkbVerdict).attach(&packets)?;
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).attach(&streams),
        Error::HookTaken { .. },
        Some(libc::EBUSY),
        &[&named]
    );
    Ok(())
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    for (map, errno) in [(&file, libc::EINVAL), (&path, libc::EBADF)] {
        ensure_error!(
            SockmapAttach::to(map, SockmapHook::MsgVerdict).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno),
            &["hook sk_msg_verdict"]
        );
    }
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let (map, program) = (Map::sockmap(1)?, Program::passing(Hook::SK_MSG_VERDICT)?);
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&format!("map {}", map.id()?)]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let (hook, map) = (Hook::SK_MSG_VERDICT, Map::sockmap(2)?);
    let program = Program::passing(hook)?;
    let link = RawLink::create(&request(&program, hook).target_fd(&map))?;
    let link = SockmapLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)? && info.map_id == MapId::new(map.id()?));
    ensure!(info.attach_type == AttachType::SkMsgVerdict && info.is_defunct() == Some(false));
    link.detach()?;
    let info = link.info()?;
    ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    Ok(())
}

fn query(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hook = SockmapHook::MsgVerdict;
    ensure!(hook.query(&map)?.programs.is_empty());
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let link = SockmapAttach::to(&map, hook).attach(&program)?;
    let answer = hook.query(&map)?;
    ensure!(entries(&answer) == [(program.id()?, None)]);
    ensure!(!answer.has_links && answer.revision.is_none());
    ensure!(SockmapHook::SkbVerdict.query(&map)?.programs.is_empty());
    drop(link);
    eventually_holds("nothing is attached", || {
        Ok(hook.query(&map)?.programs.is_empty())
    })?;
    Ok(())
}

fn query_errors(_sandbox: &Sandbox) -> Result<()> {
    let (array, file) = (Map::array(4, 1)?, std::fs::File::open("/proc/self/comm")?);
    for (fd, errno) in [
        (array.as_fd(), libc::EOPNOTSUPP),
        (file.as_fd(), libc::EINVAL),
    ] {
        ensure_error!(
            SockmapHook::MsgVerdict.query(fd),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno),
            &["hook sk_msg_verdict"]
        );
    }
    Ok(())
}

fn before_sockmaps_were_asked(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    ensure_error!(
        SockmapHook::MsgVerdict.query(&map),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::EINVAL),
        &[&format!("map {}", map.id()?)]
    );
    Ok(())
}
