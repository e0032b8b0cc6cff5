//! Queries of hooks: which programs, by which links, in which order, at which revision.

use std::collections::BTreeSet;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, Hook as QueriedHook, LinkCreate, MprogArgs, RawLink,
};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Loader, Map, Netns, Program, Sandbox, eventually_holds};
use rustix::fs::{Mode, OFlags};

use crate::fixture::{LOOPBACK, as_nobody, ensure_refused};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_cgroup_and_its_ancestors),
    test!(a_cgroup_has_a_revision).needs(&[CGROUP_REVISIONS]),
    test!(a_cgroup_has_no_revision).needs(&[Need::Without(&CGROUP_REVISIONS)]),
    test!(a_network_namespace),
    test!(a_device).needs(Need::TCX),
    test!(a_device_that_there_is_not).needs(Need::TCX),
    test!(more_programs_than_fit_at_first).needs(Need::TCX),
    test!(a_list_that_grows_while_it_is_read).needs(Need::TCX),
    test!(security_hooks_of_a_cgroup)
        .needs(Need::LSM)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP")]),
    test!(a_map_of_sockets).needs(&[Need::SOCKMAP_QUERY]),
    test!(before_there_was_a_query).needs(&[Need::Without(&Need::SOCKMAP_QUERY)]),
    test!(what_cannot_be_asked),
    test!(it_takes_a_privilege),
];

/// Since Linux 6.17, and since some point of 6.12.
const CGROUP_REVISIONS: Need = Need::Member("cgroup_bpf", "revisions");

fn ids(hook: QueriedHook<'_>) -> Result<Vec<u32>> {
    let programs = hook.query()?.programs;
    Ok(programs
        .into_iter()
        .map(|program| program.id.get())
        .collect())
}

fn a_cgroup_and_its_ancestors(sandbox: &Sandbox) -> Result<()> {
    const EGRESS: AttachType = AttachType::CgroupInetEgress;
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let of_child = QueriedHook::of_fd(EGRESS, &child);
    ensure!(of_child.query()?.programs.is_empty());
    let first = Program::passing(Hook::CGROUP_EGRESS)?;
    let second = Program::passing(Hook::CGROUP_EGRESS)?;
    let above = Program::passing(Hook::CGROUP_EGRESS)?;
    let link =
        |program, cgroup| RawLink::create(&LinkCreate::new(program, EGRESS).target_fd(cgroup));
    let _links = [
        link(&first, &child)?,
        link(&second, &child)?,
        link(&above, &parent)?,
    ];

    let answer = of_child.query()?;
    ensure!(!answer.has_links && answer.programs.iter().all(|program| program.link.is_none()));
    ensure!(answer.flags.bits() == bpf_link_sys::BPF_F_ALLOW_MULTI);
    ensure!(ids(of_child)? == [first.id()?, second.id()?]);
    ensure!(ids(of_child)? == sys::prog_query(LinkTarget::Fd(child.as_fd()), EGRESS.as_raw())?);
    ensure!(ids(of_child.effective())? == [first.id()?, second.id()?, above.id()?]);
    Ok(())
}

/// The revisions of a cgroup's hook before and after a program is attached.
fn revisions_of_a_cgroup(sandbox: &Sandbox) -> Result<[Option<u64>; 2]> {
    let cgroup = sandbox.new_cgroup("revision")?;
    let hook = QueriedHook::of_fd(AttachType::CgroupInetEgress, &cgroup);
    let before = hook.query()?.revision;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup);
    let _link = RawLink::create(&request)?;
    Ok([before, hook.query()?.revision])
}

fn a_cgroup_has_a_revision(sandbox: &Sandbox) -> Result<()> {
    let [before, after] = revisions_of_a_cgroup(sandbox)?;
    ensure!(before.is_some() && after > before, "{before:?} {after:?}");
    Ok(())
}

fn a_cgroup_has_no_revision(sandbox: &Sandbox) -> Result<()> {
    let revisions = revisions_of_a_cgroup(sandbox)?;
    ensure!(revisions == [None, None], "{revisions:?}");
    Ok(())
}

fn a_network_namespace(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    let hook = QueriedHook::of_fd(AttachType::SkLookup, &netns);
    ensure!(hook.query()?.programs.is_empty());
    let programs = [
        Program::passing(Hook::SK_LOOKUP)?,
        Program::passing(Hook::SK_LOOKUP)?,
    ];
    let link = |program| {
        RawLink::create(&LinkCreate::new(program, AttachType::SkLookup).target_fd(&netns))
    };
    let [first, second] = &programs;
    let links = [link(first)?, link(second)?];
    ensure!(ids(hook)? == [first.id()?, second.id()?]);
    let answer = hook.query()?;
    ensure!(!answer.has_links && answer.revision.is_none());
    drop(links);
    eventually_holds("nothing is attached", || Ok(ids(hook)?.is_empty()))?;
    Ok(())
}

/// A tcx link on `lo`, before all others.
fn tcx(program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::TcxIngress)
        .target_ifindex(LOOPBACK)
        .flags(AttachFlags::BEFORE)
        .args(MprogArgs::new());
    Ok(RawLink::create(&request)?)
}

fn a_device(_sandbox: &Sandbox) -> Result<()> {
    let hook = QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK);
    let empty = hook.query()?;
    ensure!(empty.programs.is_empty() && empty.has_links && empty.revision == Some(1));
    let programs = [
        Program::passing(Hook::TCX_INGRESS)?,
        Program::passing(Hook::TCX_INGRESS)?,
    ];
    let [second, first] = &programs;
    let links = [tcx(second)?, tcx(first)?];
    let answer = hook.query()?;
    let found: Vec<_> = answer
        .programs
        .iter()
        .map(|program| (program.id.get(), program.link))
        .collect();
    let [second_link, first_link] = &links;
    let expected = [
        (first.id()?, Some(first_link.id()?)),
        (second.id()?, Some(second_link.id()?)),
    ];
    ensure!(found == expected, "{answer:?}");

    // The revision is what an expected revision is taken from.
    let third = Program::passing(Hook::TCX_INGRESS)?;
    let request = LinkCreate::new(&third, AttachType::TcxIngress).target_ifindex(LOOPBACK);
    let revision = answer.revision.unwrap_or_default();
    let stale = MprogArgs::new().expected_revision(revision - 1);
    ensure_refused!(
        RawLink::create(&request.args(stale)),
        Error::StaleRevision(_),
        Some(libc::ESTALE)
    );
    let _third_link = RawLink::create(&request.args(MprogArgs::new().expected_revision(revision)))?;
    ensure!(hook.query()?.revision == Some(revision + 1));

    // A program that is attached without a link has none.
    let legacy = Program::passing(Hook::TCX_EGRESS)?;
    let egress = AttachType::TcxEgress;
    let device = LinkTarget::Ifindex(LOOPBACK);
    sys::prog_attach(device, legacy.as_fd(), egress.as_raw(), 0)?;
    let answer = QueriedHook::of_device(egress, LOOPBACK).query()?;
    ensure!(
        answer.programs.len() == 1 && answer.programs.iter().all(|program| program.link.is_none())
    );
    sys::prog_detach(device, legacy.as_fd(), egress.as_raw())?;
    Ok(())
}

fn a_device_that_there_is_not(_sandbox: &Sandbox) -> Result<()> {
    let nowhere = QueriedHook::of_device(AttachType::TcxIngress, i32::MAX.unsigned_abs());
    ensure_refused!(nowhere.query(), Error::Command(_), Some(libc::ENODEV));
    Ok(())
}

fn more_programs_than_fit_at_first(_sandbox: &Sandbox) -> Result<()> {
    const MOST: usize = 63;
    let programs = (0..MOST)
        .map(|_| Program::passing(Hook::TCX_INGRESS))
        .collect::<Result<Vec<_>>>()?;
    let links = programs.iter().map(tcx).collect::<Result<Vec<_>>>()?;
    let answer = QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK).query()?;
    ensure!(answer.programs.len() == MOST);
    let found: Vec<_> = answer
        .programs
        .iter()
        .rev()
        .map(|program| program.link)
        .collect();
    let made = links
        .iter()
        .map(|link| Ok(Some(link.id()?)))
        .collect::<Result<Vec<_>>>()?;
    ensure!(found == made);
    Ok(())
}

/// Another thread attaches programs and takes them off, one by one. As every change is one more
/// revision, the revision tells how many programs there were: an answer that is cut, or is put
/// together from two moments, does not fit its revision.
fn a_list_that_grows_while_it_is_read(_sandbox: &Sandbox) -> Result<()> {
    const MOST: u64 = 20;
    const ROUNDS: u64 = 4;
    // Without a program the revision would begin anew.
    let first = Program::passing(Hook::TCX_INGRESS)?;
    let _first = tcx(&first)?;
    let programs = (0..MOST)
        .map(|_| Program::passing(Hook::TCX_INGRESS))
        .collect::<Result<Vec<_>>>()?;
    let hook = QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK);
    let Some(start) = hook.query()?.revision else {
        anyhow::bail!("the hook has no revision");
    };
    let expected = |revision: u64| {
        let change = (revision - start) % (2 * MOST);
        1 + change.min(2 * MOST - change)
    };

    let stop = AtomicBool::new(false);
    let met = thread::scope(|scope| {
        let churning = scope.spawn(|| {
            let mut links = Vec::new();
            for _ in 0..ROUNDS {
                for program in &programs {
                    links.push(tcx(program)?);
                }
                links.clear();
            }
            stop.store(true, Ordering::Relaxed);
            anyhow::Ok(())
        });
        let mut met = BTreeSet::new();
        let mut ask = || {
            let answer = hook.query()?;
            let (count, revision) = (answer.programs.len(), answer.revision);
            let wanted = expected(revision.context("the hook has no revision")?);
            ensure!(u64::try_from(count)? == wanted, "{wanted} of {answer:?}");
            ensure!(answer.programs.iter().all(|program| program.link.is_some()));
            met.insert(revision);
            anyhow::Ok(())
        };
        let mut asked = Ok(());
        while asked.is_ok() && !stop.load(Ordering::Relaxed) && !churning.is_finished() {
            asked = ask();
        }
        let churned = churning.join();
        churned.map_err(|_| anyhow::anyhow!("it panicked"))??;
        asked.and_then(|()| ask())?;
        anyhow::Ok(met)
    })?;
    let last = start + 2 * MOST * ROUNDS;
    ensure!(met.contains(&Some(last)), "{met:?}");
    ensure!(
        met.len() > 2,
        "the list never changed between two questions"
    );
    Ok(())
}

/// They are one attach type, and each program says for itself how its hook is shared.
fn security_hooks_of_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    const LSM: AttachType = AttachType::LsmCgroup;
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let load = |function: &str| Loader::new(Hook::LSM_CGROUP).function(function)?.passing();
    let programs = [
        load("bpf_lsm_socket_create")?,
        load("bpf_lsm_socket_bind")?,
        load("bpf_lsm_socket_bind")?,
    ];
    let link = |program, cgroup| RawLink::create(&LinkCreate::new(program, LSM).target_fd(cgroup));
    let [create, bind, above] = &programs;
    let _links = [
        link(create, &child)?,
        link(bind, &child)?,
        link(above, &parent)?,
    ];

    let hook = QueriedHook::of_fd(LSM, &child);
    let answer = hook.query()?;
    let own: BTreeSet<_> = answer.programs.iter().map(|p| p.id.get()).collect();
    ensure!(own == BTreeSet::from([create.id()?, bind.id()?]));
    let shared = AttachFlags::from_bits_retain(bpf_link_sys::BPF_F_ALLOW_MULTI);
    ensure!(
        answer.programs.iter().all(|p| p.flags == Some(shared)),
        "{answer:?}"
    );

    let answer = hook.effective().query()?;
    let effective: BTreeSet<_> = answer.programs.iter().map(|p| p.id.get()).collect();
    ensure!(effective == BTreeSet::from([create.id()?, bind.id()?, above.id()?]));
    ensure!(
        answer.programs.iter().all(|p| p.flags.is_none()),
        "{answer:?}"
    );
    Ok(())
}

fn a_map_of_sockets(_sandbox: &Sandbox) -> Result<()> {
    const SENT: AttachType = AttachType::SkMsgVerdict;
    let map = Map::sockmap(1)?;
    let hook = QueriedHook::of_fd(SENT, &map);
    ensure!(hook.query()?.programs.is_empty());
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    sys::prog_attach(map.as_fd(), program.as_fd(), SENT.as_raw(), 0)?;
    let answer = hook.query()?;
    ensure!(
        answer
            .programs
            .iter()
            .map(|p| p.id.get())
            .eq([program.id()?])
    );
    ensure!(!answer.has_links && answer.programs.iter().all(|p| p.link.is_none()));
    ensure!(answer.revision.is_none() && answer.flags.is_empty());
    // Another slot of the same map.
    ensure!(ids(QueriedHook::of_fd(AttachType::SkSkbVerdict, &map))?.is_empty());
    sys::prog_detach(LinkTarget::Fd(map.as_fd()), program.as_fd(), SENT.as_raw())?;
    ensure!(hook.query()?.programs.is_empty());

    let array = Map::array(4, 1)?;
    ensure_refused!(
        QueriedHook::of_fd(SENT, &array).query(),
        Error::Command(_),
        Some(libc::EOPNOTSUPP)
    );
    let file = std::fs::File::open("/proc/self/comm")?;
    for refused in [QueriedHook::of_fd(SENT, &file), hook.effective()] {
        ensure_refused!(refused.query(), Error::Command(_), Some(libc::EINVAL));
    }
    Ok(())
}

fn before_there_was_a_query(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let cgroup = sandbox.new_cgroup("query")?;
    for hook in [
        QueriedHook::of_fd(AttachType::SkMsgVerdict, &map),
        QueriedHook::of_fd(AttachType::CgroupUnixConnect, &cgroup),
        QueriedHook::of_device(AttachType::TcxIngress, LOOPBACK),
        QueriedHook::of_device(AttachType::NetkitPrimary, LOOPBACK),
    ] {
        ensure_refused!(
            hook.query(),
            Error::UnsupportedByKernel(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

fn what_cannot_be_asked(_sandbox: &Sandbox) -> Result<()> {
    let file = std::fs::File::open("/proc/self/comm")?;
    ensure_refused!(
        QueriedHook::of_fd(AttachType::CgroupInetEgress, &file).query(),
        Error::Command(_),
        Some(libc::EBADF)
    );
    ensure_refused!(
        QueriedHook::of_fd(AttachType::SkLookup, &file).query(),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let place = rustix::fs::open(
        "/proc/self/ns/net",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    ensure_refused!(
        QueriedHook::of_fd(AttachType::SkLookup, &place).query(),
        Error::Command(_),
        Some(libc::EBADF)
    );
    let netns = Netns::current()?;
    ensure_refused!(
        QueriedHook::of_fd(AttachType::SkLookup, &netns)
            .effective()
            .query(),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn it_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    let netns = Netns::current()?;
    as_nobody(|| {
        ensure_refused!(
            QueriedHook::of_fd(AttachType::SkLookup, &netns).query(),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}
