//! The hooks of maps of sockets.

use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use bpf_link_tests::{Hook, Map, Program, Sandbox, sys};
use bpf_link_typed::inspect::hooks::{AttachedBy, HookInspector, HookPlace, NoteAbout};
use bpf_link_typed::{AttachType, Error, LinkError, SockmapAttach, SockmapHook};

use super::{by_walk, check, expected};
use crate::fixture::as_nobody;
use crate::fixture::attaching::ensure_error;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(with_a_link_and_without).needs(Need::SOCKMAP).alone(),
    test!(another_map).needs(&[Need::SOCKMAP_QUERY]),
    test!(before_there_was_a_query).needs(&[Need::Without(&Need::SOCKMAP_QUERY)]),
    test!(without_privilege).needs(&[Need::SOCKMAP_QUERY]),
];

fn with_a_link_and_without(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let (linked, bare) = (
        Program::passing(Hook::SK_MSG_VERDICT)?,
        Program::passing(Hook::SK_SKB_VERDICT)?,
    );
    let link = SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&linked)?;
    let verdict = AttachType::SkSkbVerdict.as_raw();
    sys::prog_attach(map.as_fd(), bare.as_fd(), verdict, 0)?;
    let wanted = [
        expected("sk_skb_verdict", &bare, AttachedBy::NoLink)?,
        expected("sk_msg_verdict", &linked, AttachedBy::Link(link.id()?))?,
    ];
    for mut inspector in [HookInspector::load()?, by_walk()?] {
        let hooks = inspector.sockmap(&map)?;
        check(&hooks, &wanted)?;
        let is_this = matches!(&hooks.place, HookPlace::Map { id, .. } if id.get() == map.id()?);
        ensure!(is_this, "{hooks:?}");
    }
    // This is excluded by the verdict, so the kernel does not even look.
    ensure_error!(
        SockmapHook::SkbStreamVerdict.query(&map),
        Error::Link(LinkError::Command(_)),
        Some(libc::EBUSY),
        &[&format!("map {}", map.id()?)]
    );
    let other = Map::sockmap(1)?;
    check(&HookInspector::load()?.sockmap(&other)?, &[])?;
    sys::prog_detach(map.as_fd(), bare.as_fd(), verdict)?;
    Ok(())
}

fn another_map(_sandbox: &Sandbox) -> Result<()> {
    let mut inspector = HookInspector::load()?;
    let array = Map::array(8, 1)?;
    ensure_error!(
        inspector.sockmap(&array),
        Error::Link(LinkError::Command(_)),
        Some(libc::EOPNOTSUPP),
        &[&format!("map {}", array.id()?)]
    );
    let program = Program::passing(Hook::XDP)?;
    let refused = inspector.sockmap(program.as_fd());
    ensure!(
        matches!(refused, Err(Error::Link(LinkError::NotAMap(_)))),
        "{refused:?}"
    );
    Ok(())
}

/// Such a map has programs all the same, so there is a note.
fn before_there_was_a_query(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hooks = HookInspector::load()?.sockmap(&map)?;
    let [note] = hooks.notes.as_slice() else {
        anyhow::bail!("{:?}", hooks.notes);
    };
    let all = SockmapHook::ALL.iter().map(|hook| hook.attach_type());
    ensure!(note.about == NoteAbout::Hooks(all.collect()), "{note:?}");
    let errno = note.error.as_ref().and_then(|error| error.errno());
    ensure!(errno == Some(libc::EINVAL) && hooks.is_empty(), "{hooks:?}");
    // What a map is takes a privilege, too.
    let refused = as_nobody(|| Ok(HookInspector::load()?.sockmap(&map)))?;
    ensure_error!(
        refused,
        Error::Link(LinkError::PermissionDenied(_)),
        Some(libc::EPERM),
        &["a file descriptor"]
    );
    Ok(())
}

fn without_privilege(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let hooks = as_nobody(|| Ok(HookInspector::load()?.sockmap(&map)?))?;
    let errnos = hooks.notes.iter().map(|note| note.error.as_ref()?.errno());
    ensure!(errnos.eq([Some(libc::EPERM)]), "{hooks:?}");
    Ok(())
}
