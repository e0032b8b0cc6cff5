//! netns links through their type: attaching, info, queries, and what is refused.

use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Netns, Program, Sandbox};
use bpf_link_typed::{Error, FileRef, NetnsAttach, NetnsHook, NetnsLink};
use rustix::fs::{Mode, OFlags};

use crate::fixture::attaching::{
    counting, counts, ensure_error, entries, id_of, only_a_path, request, stops,
};
use crate::fixture::traffic::send_packet;
use crate::harness::{Test, test};
use crate::suites::operations::has_no;

has_no! { NetnsLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).alone(),
    test!(more_errors),
    test!(info),
    test!(query),
    test!(query_errors),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let current = Netns::current()?;
    let (program, counter) = counting(Hook::SK_LOOKUP)?;
    for file in [FileRef::from(PATH), FileRef::fd(&current)] {
        let link = NetnsAttach::to(file, NetnsHook::SkLookup).attach(&program)?;
        let info = link.info()?;
        ensure!(info.netns_ino.map(u64::from) == Some(current.inode()?));
        ensure!(info.attach_type == NetnsHook::SkLookup.attach_type());
        ensure!(counts(&counter, send_packet)?);
        drop(link);
        stops(&counter, send_packet)?;
    }
    ensure_error!(
        NetnsAttach::to(PATH, NetnsHook::FlowDissector).attach(&program),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &[PATH]
    );
    ensure_error!(
        NetnsAttach::to("/proc/no such file", NetnsHook::SkLookup).attach(&program),
        Error::File { .. },
        Some(libc::ENOENT),
        &["/proc/no such file"]
    );
    ensure_error!(
        NetnsAttach::to("/proc/self/ns/uts", NetnsHook::SkLookup).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["/proc/self/ns/uts"]
    );
    let dissector = Program::passing(Hook::FLOW_DISSECTOR)?;
    let to = NetnsAttach::to(PATH, NetnsHook::FlowDissector);
    let _link = to.attach(&dissector)?;
    ensure_error!(
        to.attach(&dissector),
        Error::HookTaken { .. },
        Some(libc::E2BIG),
        &[PATH]
    );
    Ok(())
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let file = only_a_path("/proc/self/ns/net")?;
    ensure_error!(
        NetnsAttach::to(FileRef::fd(&file), NetnsHook::SkLookup).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook sk_lookup"]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::create()?;
    for hook in [Hook::FLOW_DISSECTOR, Hook::SK_LOOKUP] {
        let program = Program::passing(hook)?;
        let link = RawLink::create(&request(&program, hook).target_fd(&netns))?;
        let link = NetnsLink::try_from(link)?;
        let info = link.info()?;
        ensure!(info.id == link.id()? && info.program_id == id_of(&program)?);
        ensure!(info.netns_ino.map(u64::from) == Some(netns.inode()?));
        ensure!(
            info.attach_type.attach_type().as_raw() == hook.attach_type,
            "{info:?}"
        );
        ensure!(info.is_defunct() == Some(false));
        link.detach()?;
        let info = link.info()?;
        ensure!(info.is_defunct() == Some(true) && info.netns_ino.is_none());
    }
    Ok(())
}

fn query(_sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let netns = Netns::current()?;
    for (hook, load) in [
        (NetnsHook::FlowDissector, Hook::FLOW_DISSECTOR),
        (NetnsHook::SkLookup, Hook::SK_LOOKUP),
    ] {
        ensure!(hook.query(PATH)?.programs.is_empty());
        let program = Program::passing(load)?;
        let _link = NetnsAttach::to(FileRef::fd(&netns), hook).attach(&program)?;
        for file in [FileRef::from(PATH), FileRef::fd(&netns)] {
            let answer = hook.query(file)?;
            ensure!(entries(&answer) == [(program.id()?, None)]);
            ensure!(!answer.has_links && answer.revision.is_none());
        }
    }
    Ok(())
}

fn query_errors(_sandbox: &Sandbox) -> Result<()> {
    let hook = NetnsHook::SkLookup;
    ensure_error!(
        hook.query("/proc/self/ns/nothing"),
        Error::File { .. },
        Some(libc::ENOENT),
        &["/proc/self/ns/nothing"]
    );
    ensure_error!(
        hook.query("/proc/self/comm"),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["network namespace /proc/self/comm"]
    );
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty())?;
    ensure_error!(
        hook.query(place.as_fd()),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook sk_lookup"]
    );
    Ok(())
}
