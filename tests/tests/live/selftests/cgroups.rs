//! What the kernel's `cgroup_link`, `cgroup_mprog_opts`, `cgroup_mprog_ordering`,
//! `cgroup_preorder`, `lsm_cgroup` and `cgroup_iter` assert.

use std::io::Read as _;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Anchor, AttachFlags, AttachType, CgroupIterOrder, Error, LinkCreate, MprogArgs, RawLink, Update,
};
use bpf_link_sys::{
    BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI, BPF_F_ALLOW_OVERRIDE, BPF_F_REPLACE,
};
use bpf_link_tests::sys;
use bpf_link_tests::{
    Cgroup, CounterMap, Hook, Loader, Program, Sandbox, eventually_holds, iterator,
};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, CgroupLink, FileRef, IterAttach, IterCgroup, LinkAnchor, Position,
};

use crate::fixture::attaching::{counting, counts};
use crate::fixture::chain::check_refusal;
use crate::fixture::traffic::send_packet;
use crate::fixture::{ensure_refused, refusal};
use crate::harness::{Need, Test, test};
use crate::kinds::cgroup::place;
use crate::suites::positions::Attached;

/// Positions, preorder and revisions, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];

pub(crate) const TESTS: &[Test] = &[
    test!(a_dead_cgroup_is_not_gone_over).needs(&[Need::Member("bpf_link_info", "iter.task")]),
    test!(combinations_that_do_not_go).needs(ORDER),
    test!(each_of_four_cgroups_adds_a_run),
    test!(exclusive_programs_and_links),
    test!(positions_run_in_their_order).needs(ORDER),
    test!(preorder_runs_from_the_parent_down).needs(ORDER),
    test!(revisions_and_order).needs(ORDER),
    test!(security_hooks).needs(&[
        Need::Trampoline,
        Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP"),
        Need::SecurityModule("bpf"),
    ]),
];

const EGRESS: AttachType = AttachType::CgroupInetEgress;

fn attach(cgroup: &Cgroup, program: &Program) -> Result<CgroupLink> {
    Ok(CgroupAttach::to(FileRef::fd(cgroup), CgroupHook::InetEgress).attach(program)?)
}

/// The programs of a cgroup and of those above it, in the order in which they run.
fn effective(cgroup: &Cgroup) -> Result<Vec<u32>> {
    let hook = bpf_link::Hook::of_fd(EGRESS, cgroup).effective();
    let programs = hook.query()?.programs;
    Ok(programs.into_iter().map(|found| found.id.get()).collect())
}

fn ids(programs: &[&Program]) -> Result<Vec<u32>> {
    programs.iter().map(|program| program.id()).collect()
}

/// And the links stay when the descriptors of the cgroups go.
fn each_of_four_cgroups_adds_a_run(sandbox: &Sandbox) -> Result<()> {
    let first = sandbox.new_cgroup("first")?;
    let second = first.child("second")?;
    let third = second.child("third")?;
    let fourth = third.child("fourth")?;
    let (program, counter) = counting(Hook::CGROUP_EGRESS)?;
    let runs = || {
        let before = counter.read()?;
        fourth.inside(send_packet)?;
        anyhow::Ok(counter.read()? - before)
    };
    let mut links = Vec::new();
    for cgroup in [&first, &second, &third, &fourth] {
        let directory = std::fs::File::open(cgroup.path())?;
        let to = CgroupAttach::to(FileRef::from(&directory), CgroupHook::InetEgress);
        links.push(to.attach(&program)?);
        drop(directory);
        ensure!(runs()? == links.len() as u64, "{} links", links.len());
    }
    let hook = bpf_link::Hook::of_fd(EGRESS, &fourth);
    ensure!(hook.query()?.flags.bits() == BPF_F_ALLOW_MULTI);
    ensure!(effective(&fourth)? == [program.id()?; 4]);

    // Each is updated on its own.
    let (other, others) = counting(Hook::CGROUP_EGRESS)?;
    for (updated, link) in links.iter().enumerate() {
        link.update(&other)?;
        let before = others.read()?;
        let kept = runs()?;
        ensure!(others.read()? - before == updated as u64 + 1 && kept == 3 - updated as u64);
    }
    links.pop();
    let before = others.read()?;
    ensure!(runs()? == 0 && others.read()? - before == 3);
    Ok(())
}

/// A program that shares goes along with links; one that does not excludes them, and they it.
fn exclusive_programs_and_links(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("shared")?;
    let (linked, counter) = counting(Hook::CGROUP_EGRESS)?;
    let (sharing, others) = counting(Hook::CGROUP_EGRESS)?;
    let egress = BPF_CGROUP_INET_EGRESS;
    let link = attach(&cgroup, &linked)?;
    let without_a_link =
        |program: &Program, flags| sys::prog_attach(cgroup.as_fd(), program.as_fd(), egress, flags);
    let refused = without_a_link(&sharing, 0).err();
    ensure!(refused.and_then(|error| error.raw_os_error()) == Some(libc::EPERM));
    without_a_link(&sharing, BPF_F_ALLOW_MULTI)?;
    ensure!(counts(&counter, || cgroup.inside(send_packet))?);
    ensure!(counts(&others, || cgroup.inside(send_packet))?);
    // Without a link, nobody takes a link's program off.
    let refused = sys::prog_detach(cgroup.as_fd(), linked.as_fd(), egress).err();
    ensure!(refused.and_then(|error| error.raw_os_error()) == Some(libc::ENOENT));
    sys::prog_detach(cgroup.as_fd(), sharing.as_fd(), egress)?;
    drop(link);

    without_a_link(&sharing, 0)?;
    // Here, and below.
    let below = cgroup.child("below")?;
    let holder = format!("program {} ({})", sharing.id()?, sharing.name()?);
    for path in [cgroup.path(), below.path()] {
        let words = [&path.display().to_string()[..], &holder, "without a link"];
        let to = CgroupAttach::to(path, CgroupHook::InetEgress);
        let refused = check_refusal(to.attach(&linked), &words)?;
        ensure!(
            matches!(refused, bpf_link_typed::Error::HookTaken { .. }),
            "{refused:?}"
        );
        ensure!(refused.errno() == Some(libc::EPERM), "{refused:?}");
    }
    let refused = attach(&below, &linked).err().context("not refused")?;
    let refused = refused.downcast::<bpf_link_typed::Error>()?;
    ensure!(
        matches!(refused, bpf_link_typed::Error::HookTaken { .. }),
        "{refused:?}"
    );
    // One that may be overridden keeps nobody from a cgroup below.
    sys::prog_detach(cgroup.as_fd(), sharing.as_fd(), egress)?;
    without_a_link(&sharing, BPF_F_ALLOW_OVERRIDE)?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    let refused = check_refusal(to.attach(&linked), &[&holder[..], "without a link"])?;
    ensure!(
        matches!(refused, bpf_link_typed::Error::HookTaken { .. }),
        "{refused:?}"
    );
    drop(attach(&below, &linked)?);
    sys::prog_detach(cgroup.as_fd(), sharing.as_fd(), egress)?;
    below.remove()
}

fn revisions_and_order(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("order")?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let hook = bpf_link::Hook::of_fd(EGRESS, &cgroup);
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    let (one, two, three, four) = (load()?, load()?, load()?, load()?);
    let revision = || Ok::<_, anyhow::Error>(hook.query()?.revision);
    let order = || {
        let programs = hook.query()?.programs;
        let ids = programs.into_iter().map(|found| found.id.get());
        anyhow::Ok(ids.collect::<Vec<u32>>())
    };
    ensure!(revision()? == Some(1));
    let first = to.clone().expected_revision(1).attach(&one)?;
    ensure!(revision()? == Some(2));
    let before = Position::Before(LinkAnchor::LinkId(first.id()?));
    let second = to
        .clone()
        .position(before)
        .expected_revision(2)
        .attach(&two)?;
    ensure!(revision()? == Some(3) && order()? == ids(&[&two, &one])?);
    let after = Position::After(LinkAnchor::link(&second));
    let third = to
        .clone()
        .position(after)
        .expected_revision(3)
        .attach(&three)?;
    let last = to.clone().position(Position::Last).expected_revision(4);
    let fourth = last.attach(&four)?;
    ensure!(revision()? == Some(5));
    ensure!(order()? == ids(&[&two, &three, &one, &four])?);
    // An update is a change, too; and so is the end of a link.
    third.update(&three)?;
    let updated = revision()?.context("no revision")?;
    ensure!((5..=6).contains(&updated), "{updated}");
    drop(fourth);
    first.detach()?;
    ensure!(revision()? == Some(updated + 2) && order()? == ids(&[&two, &three])?);
    Ok(())
}

fn combinations_that_do_not_go(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("order")?;
    let place = place(&cgroup);
    let Attached { link, program } = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let new = place.program()?;
    let request = place.request(&new);
    let (before, after) = (AttachFlags::BEFORE, AttachFlags::AFTER);
    let with = |flags: AttachFlags, more: u32| request.flags(flags | bits(more));
    let no_anchor = MprogArgs::new();
    let to_link = no_anchor.anchor(Anchor::link(&link));
    let to_program = no_anchor.anchor(Anchor::program(&program));
    for (request, errno) in [
        // On both sides.
        (with(before | after, 0).args(no_anchor), libc::EINVAL),
        (with(before | after, 0).args(to_link), libc::EINVAL),
        // On neither.
        (request.args(to_link), libc::EINVAL),
        // Next to a program, which only programs without a link can be.
        (with(after, 0).args(to_program), libc::EINVAL),
        (with(before, 0).args(to_program), libc::EINVAL),
        // In the place of another, which is what an update is for.
        (with(after, BPF_F_REPLACE).args(to_link), libc::EINVAL),
        (with(AttachFlags::empty(), BPF_F_REPLACE), libc::EINVAL),
        (with(after, BPF_F_ALLOW_MULTI).args(no_anchor), libc::EINVAL),
        // Next to one that runs before all others, or the other way round.
        (
            with(after | AttachFlags::PREORDER, 0).args(to_link),
            libc::EINVAL,
        ),
        (
            with(before | AttachFlags::PREORDER, 0).args(to_link),
            libc::EINVAL,
        ),
    ] {
        let error = refusal(RawLink::create(&request)).with_context(|| format!("{request:?}"))?;
        ensure!(
            error.errno() == Some(errno),
            "{errno} and not {error:?}: {request:?}"
        );
    }
    let list = bpf_link::Hook::of_fd(EGRESS, &cgroup).query()?;
    ensure!(
        list.programs.len() == 1 && list.revision == Some(2),
        "{list:?}"
    );
    Ok(())
}

fn bits(more: u32) -> AttachFlags {
    AttachFlags::from_bits_retain(more)
}

/// Which is told by what they return: the first that refuses is the last whose run counts.
fn positions_run_in_their_order(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    let programs = [load()?, load()?, load()?, load()?];
    let [one, two, three, four] = &programs;
    let to = |cgroup| CgroupAttach::to(FileRef::fd(cgroup), CgroupHook::InetEgress);
    // Before all, without an anchor and with one.
    let first = to(&parent).attach(one)?;
    let _second = to(&parent).position(Position::First).attach(two)?;
    let before = Position::Before(LinkAnchor::link(&first));
    let _third = to(&parent).position(before).attach(three)?;
    let _fourth = attach(&child, four)?;
    ensure!(effective(&parent)? == ids(&[two, three, one])?);
    // The child's come before its parent's.
    ensure!(effective(&child)? == ids(&[four, two, three, one])?);
    child.inside(send_packet)
}

fn preorder_runs_from_the_parent_down(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let load = || Program::passing(Hook::CGROUP_EGRESS);
    let (one, two, three, four) = (load()?, load()?, load()?, load()?);
    let to = |cgroup| CgroupAttach::to(FileRef::fd(cgroup), CgroupHook::InetEgress);
    let _child = [
        to(&child).attach(&one)?,
        to(&child).preorder().attach(&two)?,
    ];
    let last = to(&parent).attach(&three)?;
    let first = to(&parent).preorder().attach(&four)?;
    ensure!(effective(&child)? == ids(&[&four, &two, &one, &three])?);
    // With both of the parent before all others.
    drop((last, first));
    let _parent = [
        to(&parent).preorder().attach(&three)?,
        to(&parent).preorder().attach(&four)?,
    ];
    let found = effective(&child)?;
    ensure!(found == ids(&[&three, &four, &two, &one])?, "{found:?}");
    Ok(())
}

/// A link is of one hook of the security modules, and runs for its cgroup.
fn security_hooks(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("lsm")?;
    let other = sandbox.new_cgroup("other")?;
    let load = |function, counter| {
        let loader = Loader::new(Hook::LSM_CGROUP).function(function)?;
        loader.counting(counter).passing()
    };
    let (created, bound) = (CounterMap::new()?, CounterMap::new()?);
    let on_creation = load("bpf_lsm_socket_create", &created)?;
    let on_bind = load("bpf_lsm_socket_bind", &bound)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::Lsm);
    let (creation, bind) = (to.attach(&on_creation)?, to.attach(&on_bind)?);
    cgroup.inside(send_packet)?;
    ensure!(
        created.read()? == 1 && bound.read()? == 1,
        "{:?}",
        created.read()
    );
    other.inside(send_packet)?;
    ensure!(created.read()? == 1 && bound.read()? == 1);
    // By a program of the same hook only.
    let again = load("bpf_lsm_socket_create", &bound)?;
    let link = creation.as_raw();
    // The kernel looks for the link among those of the other hook, if there are any.
    let unused = load("bpf_lsm_socket_listen", &bound)?;
    for program in [&on_bind, &unused] {
        ensure_refused!(link.update(program), Error::Command(_), Some(libc::ENOENT));
    }
    link.update(Update::program(&again).expecting(&on_creation))?;
    cgroup.inside(send_packet)?;
    ensure!(created.read()? == 1 && bound.read()? == 3);
    // A cgroup that goes takes its programs off.
    cgroup.remove()?;
    eventually_holds("the links are without their cgroup", || {
        let gone = |link: &CgroupLink| anyhow::Ok(link.info()?.is_defunct() == Some(true));
        Ok(gone(&creation)? && gone(&bind)?)
    })
}

/// The link keeps what is left of it.
fn a_dead_cgroup_is_not_gone_over(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("dies")?;
    let id = cgroup.id()?;
    let program = iterator("cgroup", *b"element\n")?;
    let over = IterCgroup::Fd(cgroup.as_fd());
    let link = IterAttach::over_cgroups(over, CgroupIterOrder::SelfOnly).attach(&program)?;
    let run = || {
        let mut text = String::new();
        link.create_iter()?.read_to_string(&mut text)?;
        anyhow::Ok(text)
    };
    ensure!(run()? == "element\n");
    cgroup.remove()?;
    eventually_holds("nothing is gone over", || Ok(run()?.is_empty()))?;
    // By its id it is not found any more.
    let request = LinkCreate::new(&program, AttachType::TraceIter);
    let args = bpf_link::IterArgs::Cgroup {
        cgroup: IterCgroup::Id(id),
        order: CgroupIterOrder::SelfOnly,
    };
    ensure_refused!(
        RawLink::create(&request.args(args)),
        Error::Command(_),
        Some(libc::ENOENT)
    );
    Ok(())
}
