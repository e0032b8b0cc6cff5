//! The kinds as types: which type a link has, and what turns into what.

mod attach;
mod calls;
mod query;

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, LinkId, RawLink, Target};
use bpf_link_tests::{
    CongestionControl, Hook, Map, Program, Sandbox, eventually_holds, iterator, links, pins,
};
use bpf_link_typed::{
    CgroupLink, Error, InfoBuf, IterLink, KindFacts, Link, LinkInfo, LinkKind, Rejected,
    StructOpsLink, TcxLink, XdpLink,
};

use serde_json::Value;

use crate::fixture::chain::check_refusal;
use crate::fixture::{duplicate, runs, xdp};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::kinds::{KINDS, for_every_kind};
use crate::suites::kind_tests::KindTests;

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(attach::TESTS),
    Tests(calls::TESTS),
    Tests(query::TESTS),
];

const TESTS: &[Test] = &[
    test!(a_descriptor_of_something_else),
    test!(a_link_of_another_kind),
    test!(a_pin_of_something_else),
    test!(a_pin_that_is_kept),
    test!(an_update),
    test!(an_update_of_callbacks).needs(Need::STRUCT_OPS),
    test!(operations_that_a_kind_does_not_have),
    test!(operations_that_a_type_does_not_have),
    test!(a_run_of_an_iterator),
];

/// What holds for the types of a link of whatever kind, which `conformance` runs over every kind.
pub(crate) fn check(sandbox: &Sandbox, link: &RawLink) -> Result<()> {
    let kind = link.kind()?;
    let path = sandbox.bpffs().join("typed");
    let mut pinned = Link::try_from(link.try_clone()?)?;
    pinned.pin(&path)?;
    ensure!(pinned.pin_path() == Some(path.as_path()));
    let directory = File::open(sandbox.bpffs())?;
    let ways = [
        ("a clone", pinned.try_clone()?),
        ("by id", Link::from_id(link.id()?)?),
        ("a pin", Link::from_pinned(&path)?),
        (
            "a pin in a directory",
            Link::from_pinned_at(&directory, "typed")?,
        ),
        ("a descriptor", Link::try_from(duplicate(link)?)?),
    ];
    let mut buf = InfoBuf::new();
    let info = pinned.info()?;
    for (way, opened) in ways {
        ensure!(opened.kind() == kind, "{way} is {opened:?}");
        ensure!(opened.id()? == link.id()?);
        ensure!(opened.info()? == info, "{way}: {:?}", opened.info());
        ensure!(opened.info_in(&mut buf)?.into_owned() == info, "{way}");
        // The same without the knowledge of the kind.
        let raw = RawLink::try_from(OwnedFd::from(opened))?;
        ensure!(buf.read(&raw)?.into_owned() == info, "{way}");
        ensure!(LinkInfo::read(&raw)? == info, "{way}");
        check_types(raw, kind).context(way)?;
    }
    check_info(link, &info)?;
    pinned.unpin()?;
    ensure!(!path.exists() && pinned.pin_path().is_none());
    Ok(())
}

fn check_info(link: &RawLink, info: &LinkInfo) -> Result<()> {
    ensure!((info.kind(), info.id()) == (link.kind()?, link.id()?));
    ensure!(info.program_id() == link.info()?.program_id());
    ensure!(info.is_defunct() != Some(true), "{info:?}");
    let facts = KindFacts::of(info.kind()).context("a kind without facts")?;
    let json = serde_json::to_value(info)?;
    let kind = json.get("type").and_then(Value::as_str);
    ensure!(kind == info.kind().name(), "{json}");
    ensure!(serde_json::from_value::<LinkInfo>(json.clone())? == *info);
    for (field, since) in facts.fields {
        let value = json.get(field).context("no such field")?;
        // Of a perf event, the type stands for all fields.
        let is_reported = value.get("type").is_none_or(|sort| sort != "not_reported");
        let is_there = !value.is_null() && is_reported;
        let is_old_enough = Need::Linux(since.major.into(), since.minor.into());
        ensure!(
            is_there == is_old_enough.missing()?.is_none(),
            "{field}: {info:?}"
        );
    }
    Ok(())
}

/// Into the type of its kind it can be turned, and back; every other gives it back.
fn check_types(mut link: RawLink, kind: LinkKind) -> Result<()> {
    let id = link.id()?;
    let mut fits = 0;
    macro_rules! into {
        ($($kind:ident: $Link:ident,)+) => {$(
            let expected = stringify!($Link);
            link = match bpf_link_typed::$Link::try_from(link) {
                Ok(typed) => {
                    fits += 1;
                    ensure!(typed.id()? == id && typed.as_raw().kind()? == kind);
                    ensure!(typed.try_clone()?.id()? == id);
                    drop(bpf_link_typed::$Link::from_id(id)?);
                    let typed = bpf_link_typed::$Link::try_from(OwnedFd::from(typed))?;
                    let typed = bpf_link_typed::$Link::try_from(Link::from(typed))?;
                    RawLink::from(typed)
                }
                Err(rejected) => {
                    ensure_wrong_kind(rejected.error(), id, expected, kind)?;
                    let link = rejected.into_input();
                    let error = bpf_link_typed::$Link::from_id(id).err().context(expected)?;
                    ensure_wrong_kind(&error, id, expected, kind)?;
                    let link = Link::try_from(link)?;
                    let rejected = bpf_link_typed::$Link::try_from(link).err().context(expected)?;
                    ensure_wrong_kind(rejected.error(), id, expected, kind)?;
                    let fd = OwnedFd::from(rejected.into_input());
                    let rejected = bpf_link_typed::$Link::try_from(fd).err().context(expected)?;
                    ensure_wrong_kind(rejected.error(), id, expected, kind)?;
                    RawLink::try_from(rejected.into_input())?
                }
            };
        )+};
    }
    for_every_kind!(into);
    into!(other: OtherLink,);
    ensure!(fits == 1, "{fits} types fit");
    ensure!(link.id()? == id);
    Ok(())
}

fn ensure_wrong_kind(error: &Error, id: LinkId, expected: &str, is: LinkKind) -> Result<()> {
    let Error::WrongKind {
        link,
        expected: kind,
        found,
    } = error
    else {
        anyhow::bail!("{error:?}");
    };
    let name = kind.map_or("OtherLink".to_owned(), |kind| format!("{kind:?}Link"));
    ensure!(name == expected && *found == is && error.errno().is_none());
    ensure!(*link == Target::Link(id), "{link:?}");
    Ok(())
}

fn refused<T: std::fmt::Debug>(result: bpf_link_typed::Result<T>) -> Result<bpf_link::Error> {
    match result {
        Err(Error::Link(error)) => Ok(error),
        other => anyhow::bail!("{other:?}"),
    }
}

fn a_descriptor_of_something_else(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(4, 1)?;
    let id = map.id()?;
    for fd in [duplicate(&map)?, File::open("/proc/self/comm")?.into()] {
        let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
        let rejected: Rejected<OwnedFd> = Link::try_from(fd).err().context("it is no link")?;
        ensure!(matches!(
            rejected.error(),
            Error::Link(bpf_link::Error::NotALink(_))
        ));
        let rejected = XdpLink::try_from(rejected.into_input());
        let (fd, error) = rejected.err().context("it is no link")?.into_parts();
        ensure!(matches!(error, Error::Link(bpf_link::Error::NotALink(_))));
        ensure!(std::os::fd::AsRawFd::as_raw_fd(&fd) == number);
    }
    ensure!(map.id()? == id);
    Ok(())
}

/// The link that is given back is the one that was given, and remembers its pin.
fn a_link_of_another_kind(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("xdp");
    let mut link = xdp(&Program::passing(Hook::XDP)?)?;
    link.pin(&path)?;
    let id = link.id()?;
    let rejected = CgroupLink::try_from(link).err().context("it is XDP")?;
    let pinned = |path: &Path| format!("link {id} pinned at {}", path.display());
    let said = format!("{} is of kind xdp, not cgroup", pinned(&path));
    ensure!(rejected.to_string() == said, "{rejected}");
    let link = Link::try_from(rejected.into_input())?;
    let rejected = TcxLink::try_from(link).err().context("it is XDP")?;
    let mut link = rejected.into_input();
    ensure!(matches!(link, Link::Xdp(_)) && link.pin_path() == Some(path.as_path()));

    check_refusal(CgroupLink::from_pinned(&path), &[&pinned(&path)])?;
    check_refusal(
        CgroupLink::from_pinned_at(File::open(sandbox.bpffs())?, "xdp"),
        &[&pinned(Path::new("xdp"))],
    )?;
    link.unpin()?;
    Ok(())
}

fn a_pin_of_something_else(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("map");
    let map = Map::array(4, 1)?;
    pins::pin(&map, &path)?;
    for error in [
        refused(Link::from_pinned(&path).map(drop))?,
        refused(XdpLink::from_pinned(&path).map(drop))?,
    ] {
        ensure!(matches!(error, bpf_link::Error::NotALink(_)), "{error:?}");
    }
    std::fs::remove_file(&path)?;
    let error = refused(XdpLink::from_pinned(&path).map(drop))?;
    ensure!(matches!(error, bpf_link::Error::PathNotFound(_)));
    ensure!(error.errno() == Some(libc::ENOENT));
    Ok(())
}

/// A pin goes along with the link, into its type and out of it.
fn a_pin_that_is_kept(sandbox: &Sandbox) -> Result<()> {
    let [path, other] = ["pin", "moved"].map(|name| sandbox.bpffs().join(name));
    let mut link = XdpLink::try_from(xdp(&Program::passing(Hook::XDP)?)?)?;
    link.pin(&path)?;
    let mut link = Link::from(link);
    link.pin(&other)?;
    ensure!(!path.exists() && other.exists());
    let mut link = XdpLink::try_from(link)?;
    ensure!(link.pin_path() == Some(other.as_path()));
    link.pin_at(File::open(sandbox.bpffs())?, "pin")?;
    let id = link.id()?;
    drop(link);
    let mut link = XdpLink::from_pinned(&path)?;
    ensure!(link.id()? == id && !other.exists());
    link.unpin()?;
    ensure!(!path.exists());
    Ok(())
}

fn an_update(_sandbox: &Sandbox) -> Result<()> {
    let counters = [
        bpf_link_tests::CounterMap::new()?,
        bpf_link_tests::CounterMap::new()?,
    ];
    let [first, second] = &counters;
    let programs = [
        Program::counting(Hook::XDP, first)?,
        Program::counting(Hook::XDP, second)?,
    ];
    let [old, new] = &programs;
    let link = XdpLink::try_from(xdp(old)?)?;
    link.update(new)?;
    ensure!(runs(second)? && !runs(first)?);
    let error = refused(link.replace(old, old))?;
    ensure!(matches!(error, bpf_link::Error::OldProgramMismatch { .. }));
    link.replace(new, old)?;
    ensure!(runs(first)? && !runs(second)?);
    let link = Link::from(link);
    link.update(new)?;
    link.replace(new, old)?;
    ensure!(runs(first)? && !runs(second)?);

    link.detach()?;
    ensure!(!runs(first)? && link.info()?.is_defunct() == Some(true));
    let error = refused(link.update(new))?;
    ensure!(matches!(error, bpf_link::Error::HookGone(_)), "{error:?}");
    XdpLink::try_from(link)?.detach()?;
    Ok(())
}

/// By a map, which `Link` knows as well.
fn an_update_of_callbacks(_sandbox: &Sandbox) -> Result<()> {
    // The subsystem wants the same name.
    let [old, new] = [
        CongestionControl::new("typed")?,
        CongestionControl::new("typed")?,
    ];
    let map_id = |map: &CongestionControl| anyhow::Ok(Some(map.id()?));
    let link = StructOpsLink::try_from(RawLink::create(&LinkCreate::struct_ops(&old))?)?;
    let now = || anyhow::Ok(link.info()?.map_id.map(u32::from));
    ensure!(now()? == map_id(&old)?);
    link.update(&new)?;
    ensure!(now()? == map_id(&new)?);
    link.replace(&new, &old)?;
    ensure!(now()? == map_id(&old)?);
    let error = refused(link.replace(&new, &old))?;
    ensure!(matches!(error, bpf_link::Error::OldProgramMismatch { .. }));
    let any = Link::from(link.try_clone()?);
    any.update(&new)?;
    ensure!(now()? == map_id(&new)?);
    any.replace(&new, &old)?;
    ensure!(now()? == map_id(&old)?);
    Ok(())
}

/// `Link` has them for every kind: the kernel is asked, and what it answers says of which kind the
/// link is.
fn operations_that_a_kind_does_not_have(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = bpf_link::RawTracepointOpen::named(&program, c"sched_switch")?;
    let link = RawLink::open_raw_tracepoint(&request)?;
    let id = link.id()?;
    let link = Link::try_from(link)?;
    for (error, command, errno) in [
        (
            refused(link.update(&program))?,
            "BPF_LINK_UPDATE",
            libc::EINVAL,
        ),
        (
            refused(link.replace(&program, &program))?,
            "BPF_LINK_UPDATE",
            libc::EINVAL,
        ),
        (refused(link.detach())?, "BPF_LINK_DETACH", libc::EOPNOTSUPP),
        (
            refused(link.create_iter())?,
            "BPF_ITER_CREATE",
            libc::EINVAL,
        ),
    ] {
        let bpf_link::Error::UnsupportedByKind { kind, .. } = &error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(*kind == LinkKind::RawTracepoint && error.errno() == Some(errno));
        let message =
            format!("link {id} is of kind raw_tracepoint, which does not support {command}");
        ensure!(error.to_string() == message, "{error}");
    }
    Ok(())
}

/// What each type is shown not to have is what the facts say that its kind does not have.
fn operations_that_a_type_does_not_have(_sandbox: &Sandbox) -> Result<()> {
    for KindTests { kind, has_no, .. } in KINDS {
        let facts = KindFacts::of(*kind).context("a kind without facts")?;
        let is_updated = facts.updated_by().is_some();
        let operations = [
            ("update", is_updated),
            ("replace", is_updated),
            ("detach", facts.detach_since.is_some()),
            ("create_iter", *kind == LinkKind::Iter),
        ];
        let expected = operations.iter().filter(|(_, has)| !has);
        let expected: Vec<&str> = expected.map(|(operation, _)| *operation).collect();
        ensure!(*has_no == expected, "{kind}: {has_no:?}, not {expected:?}");
    }
    Ok(())
}

fn a_run_of_an_iterator(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let _map = Map::array(4, 1)?;
    let request = LinkCreate::new(&program, AttachType::TraceIter);
    let link = IterLink::try_from(RawLink::create(&request)?)?;
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    let other = iterator("bpf_map", *b"another\n")?;
    link.update(&other)?;
    let link = Link::from(link);
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("another\n"));
    link.replace(&other, &program)?;
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    let id = link.id()?;
    let fd = OwnedFd::from(link);
    ensure!(links::LinkInfo::of(&fd.as_fd())?.id() == id.get());
    drop(fd);
    eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))
}
