//! Sets that are refused before anything is done.

use std::ffi::CString;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{
    CongestionControl, CounterMap, Hook, Map, Program, Replaceable, Sandbox, names, pins,
};
use bpf_link_typed::{
    BtfTypeId, CgroupAttach, CgroupHook, Error, LinkKind, LinkSet, NetfilterAttach,
    NetfilterFamily, NetfilterHook, NetnsAttach, NetnsHook, Position, SockmapAttach, SockmapHook,
    TcxAttach, TcxHook, TracingAttach, XdpAttach, ensure::Ours, set::SetFailure,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::ensure::others::without_sys_admin;
use crate::fixture::chain::{check, check_refusal};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_revision).needs(Need::TCX),
    test!(a_cgroup_that_is_none),
    test!(in_the_way),
    test!(names),
    test!(on_one_hook),
    test!(on_one_priority).needs(Need::NETFILTER),
    test!(on_one_sockmap).needs(Need::SOCKMAP),
    test!(on_one_function).needs(Need::TRACING),
    test!(with_one_name).needs(Need::STRUCT_OPS),
    test!(with_one_map).needs(Need::STRUCT_OPS),
    test!(the_directory),
    test!(the_search_for_ours),
    test!(without_a_way_back),
    test!(without_a_way_back_to_what_is_taken_off).needs(Need::NETFILTER),
];

/// A plan says so, too.
fn a_cgroup_that_is_none(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent")).create_dir(0o700);
    set.add(
        "a",
        CgroupAttach::to("/proc", CgroupHook::InetEgress),
        &program,
    )?;
    for refused in [set.plan().err(), set.apply().err()] {
        let refused = refused.context("it was not refused")?;
        check(&refused, &["/proc is not a cgroup of cgroup2"])?;
        ensure!(refused.errno() == Some(libc::EBADF), "{refused:?}");
    }
    ensure_nothing_left(sandbox)
}

fn names(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("agent"));
    let long = "a".repeat(241);
    for name in ["", ".", "..", "a.b", "a/b", "a\0b", "a~bpf-link~new", &long] {
        let refused = set.add(name, XdpAttach::to("lo"), &program);
        let refused = check_refusal(refused, &[&format!("{name:?}")])?;
        ensure!(
            matches!(&refused, Error::SetName { name: found } if found == name),
            "{refused:?}"
        );
    }
    let mut other = LinkSet::in_dir(sandbox.bpffs());
    let key = other.add("theirs", XdpAttach::to("lo"), &program)?;
    set.add("lo", XdpAttach::to("lo"), &program)?;
    let refused = set.add("lo", XdpAttach::to("lo"), &program);
    let refused = check_refusal(refused, &["called lo"])?;
    ensure!(matches!(refused, Error::NameInSet { .. }), "{refused:?}");
    // A key is to the link of one set, also where another has a link of the same name.
    let same_name = other.add("lo", XdpAttach::to("lo"), &program)?;
    for key in [&key, &same_name] {
        let refused = set.add_placed("a", XdpAttach::to("lo"), &program, Position::After(key));
        let refused = check_refusal(refused, &[&format!("called {}", key.name())])?;
        ensure!(matches!(refused, Error::NotInSet { .. }), "{refused:?}");
    }
    Ok(())
}

fn on_one_hook(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let (xdp, dissector) = (
        Program::passing(Hook::XDP)?,
        Program::passing(Hook::FLOW_DISSECTOR)?,
    );
    let mut devices = LinkSet::in_dir(&directory);
    devices.add("a", XdpAttach::to("lo"), &xdp)?;
    devices.add("b", XdpAttach::to(1), &xdp)?;
    let mut namespaces = LinkSet::in_dir(&directory);
    for (name, path) in [
        ("a", "/proc/thread-self/ns/net"),
        ("b", "/proc/self/ns/net"),
    ] {
        namespaces.add(
            name,
            NetnsAttach::to(path, NetnsHook::FlowDissector),
            &dissector,
        )?;
    }
    for set in [devices, namespaces] {
        ensure_same_hook(&set)?;
    }
    ensure_nothing_left(sandbox)
}

fn on_one_priority(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let program = Program::passing(Hook::NETFILTER)?;
    let at = |hook, priority| NetfilterAttach::to(NetfilterFamily::Ipv4, hook, priority);
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", at(NetfilterHook::LocalIn, -79), &program)?;
    set.add("b", at(NetfilterHook::LocalIn, -79), &program)?;
    ensure_same_hook(&set)?;
    // Another priority, and another hook.
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", at(NetfilterHook::LocalIn, -79), &program)?;
    set.add("b", at(NetfilterHook::LocalIn, -78), &program)?;
    set.add("c", at(NetfilterHook::LocalOut, -79), &program)?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

/// Two slots of a map exclude each other.
fn on_one_sockmap(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let map = Map::sockmap(1)?;
    let [verdict, stream, message] = [
        Program::passing(Hook::SK_SKB_VERDICT)?,
        Program::passing(Hook::SK_SKB_STREAM_VERDICT)?,
        Program::passing(Hook::SK_MSG_VERDICT)?,
    ];
    for (hook, program) in [
        (SockmapHook::SkbVerdict, &verdict),
        (SockmapHook::SkbStreamVerdict, &stream),
    ] {
        let mut set = LinkSet::in_dir(&directory);
        set.add(
            "a",
            SockmapAttach::to(&map, SockmapHook::SkbVerdict),
            &verdict,
        )?;
        set.add("b", SockmapAttach::to(&map, hook), program)?;
        ensure_same_hook(&set)?;
    }
    let mut set = LinkSet::in_dir(&directory);
    set.add(
        "a",
        SockmapAttach::to(&map, SockmapHook::SkbVerdict),
        &verdict,
    )?;
    set.add(
        "b",
        SockmapAttach::to(&map, SockmapHook::MsgVerdict),
        &message,
    )?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn ensure_same_hook(set: &LinkSet<'_>) -> Result<()> {
    for refused in [set.plan().err(), set.apply().err()] {
        ensure!(
            matches!(&refused, Some(Error::SameHook { names }) if names == &["a", "b"]),
            "{refused:?}"
        );
        check(&refused.context("it was not refused")?, &["a and b"])?;
    }
    Ok(())
}

/// A function takes one extension.
fn on_one_function(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let replaced = CounterMap::new()?;
    let target = Replaceable::new(&replaced)?;
    let function = BtfTypeId::new(Replaceable::FUNCTION).context("it is not 0")?;
    let extensions = [target.extension().passing()?, target.extension().passing()?];
    let to = TracingAttach::extension_of(&target, function);
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", to.clone(), &extensions[0])?;
    set.add("b", to, &extensions[1])?;
    ensure_same_hook(&set)?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("a", TracingAttach::extension(), &extensions[0])?;
    set.add("b", TracingAttach::extension(), &extensions[0])?;
    ensure_same_hook(&set)?;
    ensure_nothing_left(sandbox)
}

/// Two maps of one name exclude each other, also where another name runs now.
fn with_one_name(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let load = |suffix| CongestionControl::new(&names::object_name(suffix));
    let (first, second, other) = (load("cc")?, load("cc")?, load("cd")?);
    let mut set = LinkSet::in_dir(&directory);
    set.add_struct_ops("a", &first)?;
    set.add_struct_ops("b", &second)?;
    ensure_same_hook(&set)?;
    let mut set = LinkSet::in_dir(&directory);
    set.add_struct_ops("a", &first)?;
    set.add_struct_ops("b", &other)?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn with_one_map(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let control = CongestionControl::new(&names::object_name("cc"))?;
    let mut set = LinkSet::in_dir(&directory);
    set.add_struct_ops("a", &control)?;
    set.add_struct_ops("b", &control)?;
    ensure_same_hook(&set)?;
    ensure_nothing_left(sandbox)
}

fn the_directory(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let refused = |path: &std::path::Path| -> Result<[Option<Error>; 2]> {
        let mut set = LinkSet::in_dir(path);
        set.add("lo", XdpAttach::to("lo"), &program)?;
        Ok([set.plan().err(), set.apply().err()])
    };
    let root = sandbox.bpffs().display().to_string();
    for refused in refused(sandbox.bpffs())? {
        let refused = refused.context("it was not refused")?;
        ensure!(matches!(refused, Error::RootOfBpffs { .. }), "{refused:?}");
        check(&refused, &[&root])?;
    }
    let elsewhere = sandbox.directory().display();
    for refused in refused(sandbox.directory())? {
        let refused = refused.context("it was not refused")?;
        ensure!(
            matches!(refused, Error::Link(bpf_link::Error::NotOnBpffs { .. })),
            "{refused:?}"
        );
        check(&refused, &[&format!("{elsewhere} is not on a bpffs")])?;
    }
    let missing = sandbox.bpffs().join("missing");
    for refused in refused(&missing)? {
        let refused = refused.context("it was not refused")?;
        ensure!(
            matches!(refused, Error::Link(bpf_link::Error::PathNotFound(_))),
            "{refused:?}"
        );
        check(
            &refused,
            &[&format!("{}, or the directory", missing.display())],
        )?;
    }
    ensure!(our_links()?.is_empty());
    ensure_nothing_left(sandbox)
}

fn of_link(refused: Option<Error>, name: &str) -> Result<SetFailure> {
    match refused {
        Some(Error::SetNotApplied(failure)) if failure.name == name => Ok(*failure),
        refused => anyhow::bail!("{refused:?}"),
    }
}

/// Options that cannot be kept to over restarts are refused, as for one link.
fn a_revision(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let mut set = LinkSet::in_dir(&directory);
    let to = TcxAttach::to("lo", TcxHook::Ingress).expected_revision(1);
    set.add("tcx", to, &program)?;
    for refused in [set.plan().err(), set.apply().err()] {
        let failure = of_link(refused, "tcx")?;
        ensure!(
            matches!(&failure.source, Error::ExpectedRevision { revision: 1, .. }),
            "{failure:?}"
        );
        let pin = directory.join("tcx").display().to_string();
        check(
            &Error::SetNotApplied(Box::new(failure)),
            &["tcx of the set", &pin],
        )?;
    }
    ensure_nothing_left(sandbox)
}

/// A map, or a link of another kind, has the name of a link of the set.
fn in_the_way(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (xdp, egress) = (
        Program::passing(Hook::XDP)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    );
    let cgroup = sandbox.new_cgroup("agent")?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let mut before = LinkSet::in_dir(&directory).create_dir(0o700);
    before.add("cgroup", to, &egress)?;
    let before = before.apply()?;
    pins::pin(&Map::array(4, 1)?, &directory.join("map"))?;
    for (name, kind) in [("map", None), ("cgroup", Some(LinkKind::Cgroup))] {
        let mut set = LinkSet::in_dir(&directory);
        set.add(name, XdpAttach::to("lo"), &xdp)?;
        for refused in [set.plan().err(), set.apply().err()] {
            let failure = of_link(refused, name)?;
            ensure!(
                matches!(&failure.source, Error::PinTaken { found, .. } if *found == kind),
                "{failure:?}"
            );
            let pin = directory.join(name).display().to_string();
            check(&Error::SetNotApplied(Box::new(failure)), &[&pin])?;
        }
    }
    ensure!(before.is_ours()? && our_links()?.len() == 1);
    before.stop()?;
    std::fs::remove_file(directory.join("map"))?;
    ensure_nothing_left(sandbox)
}

/// Without the privilege to look through all links, nothing is attached beside one unseen.
fn the_search_for_ours(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let program = Program::passing(Hook::XDP)?;
    let ours = Ours::by_name(CString::new(names::object_name("prog"))?);
    let mut set = LinkSet::in_dir(&directory).take_over(ours);
    set.add("lo", XdpAttach::to("lo"), &program)?;
    let refused = without_sys_admin(|| Ok([set.plan().err(), set.apply().err()]))?;
    let named = directory.display().to_string();
    for refused in refused {
        let refused = refused.context("it was not refused")?;
        check(&refused, &[&named])?;
        ensure!(
            matches!(
                refused,
                Error::SearchDenied {
                    source: bpf_link::Error::PermissionDenied(_),
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    ensure_nothing_left(sandbox)
}

/// Without the privilege to open the old program.
fn without_a_way_back(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let [first, second] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("lo", XdpAttach::to("lo"), &first)?;
    let before = set.apply()?;
    let mut set = LinkSet::in_dir(&directory);
    set.add("lo", XdpAttach::to("lo"), &second)?;
    let (set, refused) = without_sys_admin(|| {
        let refused = set.apply().err();
        Ok((set, refused))
    })?;
    let failure = of_link(refused, "lo")?;
    ensure!(
        matches!(&failure.source, Error::NoWayBack(_)),
        "{failure:?}"
    );
    ensure!(failure.source.errno() == Some(libc::EPERM));
    let old = format!("program {}", first.id()?);
    check(&Error::SetNotApplied(Box::new(failure)), &["link lo", &old])?;
    ensure!(before.is_ours()? && sandbox.pinned()?.len() == 1);
    // What runs already needs no way back, nor does what is new.
    let mut same = LinkSet::in_dir(&directory);
    same.add("lo", XdpAttach::to("lo"), &first)?;
    without_sys_admin(|| Ok(same.apply()?))?;
    let set = set.without_rollback();
    let after = without_sys_admin(|| Ok(set.apply()?))?;
    ensure!(after.is_ours()?);
    after.stop()?;
    drop(before);
    ensure_nothing_left(sandbox)
}

/// The same for a link that makes way for the new one.
fn without_a_way_back_to_what_is_taken_off(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let load = || Program::passing(Hook::NETFILTER);
    let (first, second) = (load()?, load()?);
    let set = |program| -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, 79);
        set.add("netfilter", to, program)?;
        Ok(set)
    };
    let before = set(&first)?.apply()?;
    let newer = set(&second)?;
    let (newer, refused) = without_sys_admin(|| {
        let refused = newer.apply().err();
        Ok((newer, refused))
    })?;
    let failure = of_link(refused, "netfilter")?;
    ensure!(
        matches!(&failure.source, Error::NoWayBack(_)),
        "{failure:?}"
    );
    ensure!(before.is_ours()? && our_links()?.len() == 1);
    let newer = newer.without_rollback();
    let after = without_sys_admin(|| Ok(newer.apply()?))?;
    ensure!(after.is_ours()? && !before.is_ours()?);
    after.stop()?;
    drop(before);
    ensure_nothing_left(sandbox)
}
