//! iter links: iterators over kernel objects.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use std::io::Read as _;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, CgroupIterOrder, Error, InfoBuffers, InvalidRequest, IterArgs,
    IterCgroup, IterTask, LinkCreate, LinkKind, NetfilterArgs, RawLink,
};
use bpf_link_tests::{Cgroup, Hook, Loader, Map, Program, Sandbox, iterator};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::fixture::{ensure_refused, refusal};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::descriptor_zero;
use crate::suites::kind_tests::KindTests;
use crate::suites::lent_name::{self, TooShort};

/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];
const NO_TASKS: &[Need] = &[Need::Without(&Need::Member("bpf_link_info", "iter.task"))];

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Iter,
    &[],
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
    test!(conforms),
    test!(the_name_of_the_target),
    test!(over_everything),
    test!(over_a_map),
    test!(a_map_that_is_not_there),
    test!(over_a_task).needs(TASKS),
    test!(a_task_that_is_not_there).needs(TASKS),
    test!(a_process_is_descriptor_zero).needs(TASKS),
    test!(over_cgroups).needs(TASKS),
    test!(over_children).needs(&[Need::Constant(
        "bpf_cgroup_iter_order",
        "BPF_CGROUP_ITER_CHILDREN",
    )]),
    test!(a_cgroup_that_is_not_there).needs(TASKS),
    test!(an_order_that_there_is_not).needs(TASKS),
    test!(a_cgroup_is_descriptor_zero).needs(TASKS),
    test!(before_there_were_tasks).needs(NO_TASKS),
    test!(a_target_and_flags),
    test!(arguments_that_do_not_go_together),
    test!(a_program_for_another_target),
];

fn request(program: &Program) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::TraceIter)
}

/// A program that writes a line for each element.
fn lines_of(target: &str) -> Result<Program> {
    iterator(target, *b"element\n")
}

/// How many lines a run writes.
fn run(link: &RawLink) -> Result<usize> {
    let mut text = String::new();
    link.create_iter()?.read_to_string(&mut text)?;
    ensure!(text.lines().all(|line| line == "element"), "{text}");
    Ok(text.lines().count())
}

fn over<'a>(program: &'a Program, args: IterArgs<'a>) -> Result<RawLink> {
    Ok(RawLink::create(&request(program).args(args))?)
}

fn of_map(id: u32) -> Field {
    field!(iter.map_union.map.map_id, id)
}

fn of_task(tid: u32, pid: u32) -> [Field; 2] {
    [
        field!(iter.cgroup_union.task.tid, tid),
        field!(iter.cgroup_union.task.pid, pid),
    ]
}

fn of_cgroup(id: u64, order: CgroupIterOrder) -> [Field; 2] {
    [
        field!(iter.cgroup_union.cgroup.cgroup_id, id),
        field!(iter.cgroup_union.cgroup.order, order.as_raw()),
    ]
}

fn ensure_fields(link: &RawLink, fields: &[Field]) -> Result<()> {
    let info = link.info()?;
    ensure!(info.kind() == LinkKind::Iter);
    fields.iter().try_for_each(|field| field.check(&info))
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(4, 3)?;
    let load = || Counting::loaded(Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?);
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Iter,
        first: load()?,
        second: load()?,
        create: &|program| {
            let request = LinkCreate::new(program, AttachType::TraceIter);
            RawLink::create(&request.args(IterArgs::map(&map)))
        },
        event: &|link| {
            if let Some(link) = link {
                link.create_iter()?.read_to_end(&mut Vec::new())?;
            }
            Ok(())
        },
        fields: vec![of_map(map.id()?)],
        update: Operation::Works,
        detach: Operation::Refused(libc::EOPNOTSUPP),
    })
}

fn the_name_of_the_target(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(4, 3)?;
    for target in ["task", "bpf_map", "bpf_map_elem"] {
        let program = lines_of(target)?;
        let request = match target {
            "bpf_map_elem" => request(&program).args(IterArgs::map(&map)),
            _ => request(&program),
        };
        let link = RawLink::create(&request)?;
        lent_name::check(&link, target, TooShort::CutOff, |target_name| {
            InfoBuffers::Iter { target_name }
        })
        .context(target)?;
        ensure!(link.info()?.count().is_none());
    }
    Ok(())
}

fn over_everything(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("bpf_map")?;
    let link = RawLink::create(&request(&program))?;
    ensure_fields(&link, &[of_map(0)])?;
    let _maps = (Map::array(4, 1)?, Map::array(4, 1)?);
    ensure!(run(&link)? >= 2);
    Ok(())
}

fn over_a_map(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("bpf_map_elem")?;
    let (three, five) = (Map::array(4, 3)?, Map::array(4, 5)?);
    for (map, elements) in [(&three, 3), (&five, 5)] {
        let link = over(&program, IterArgs::map(map))?;
        ensure_fields(&link, &[of_map(map.id()?)])?;
        ensure!(run(&link)? == elements);
    }
    // A map that is open as descriptor 0 is a map, and not the absence of one.
    let link = descriptor_zero::with(&three, |zero| over(&program, IterArgs::Map(zero)))?;
    ensure_fields(&link, &[of_map(three.id()?)])?;
    // The link holds the map.
    drop(three);
    ensure!(run(&link)? == 3);
    Ok(())
}

fn a_map_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("bpf_map_elem")?;
    let refused = RawLink::create(&request(&program));
    ensure_refused!(refused, Error::Command(_), Some(libc::EBADF));
    let sockets = Map::sockmap(1)?;
    let refused = RawLink::create(&request(&program).args(IterArgs::map(&sockets)));
    ensure_refused!(refused, Error::Command(_), Some(libc::EINVAL));
    let refused = RawLink::create(&request(&program).args(IterArgs::map(&program)));
    ensure_refused!(refused, Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

/// Runs `work` while the process has one thread more, whose number it gets.
fn with_another_thread<T>(work: impl FnOnce(u32) -> Result<T>) -> Result<T> {
    std::thread::scope(|scope| {
        let (say, hear) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let tid = rustix::thread::gettid().as_raw_nonzero().get();
            // It ends when the other end of either is closed.
            let _ = say.send(tid);
            let _ = ended.recv();
        });
        let done = work(u32::try_from(hear.recv()?)?);
        drop(end);
        done
    })
}

fn over_a_task(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("task")?;
    let pid = std::process::id();
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty())?;
    with_another_thread(|tid| {
        let all = RawLink::create(&request(&program))?;
        ensure_fields(&all, &of_task(0, 0))?;
        ensure!(run(&all)? > 2, "there are other processes");
        let one = over(&program, IterArgs::Task(IterTask::Tid(tid)))?;
        ensure_fields(&one, &of_task(tid, 0))?;
        ensure!(run(&one)? == 1, "one thread is {}", run(&one)?);
        for process in [IterTask::Pid(pid), IterTask::Pidfd(pidfd.as_fd())] {
            let link = over(&program, IterArgs::Task(process))?;
            ensure_fields(&link, &of_task(0, pid))?;
            ensure!(run(&link)? == 2, "{process:?} is {}", run(&link)?);
        }
        Ok(())
    })
}

fn a_task_that_is_not_there(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("task")?;
    // The largest that a number of a process can be, and then some.
    let nobody = 1 << 23;
    for task in [IterTask::Tid(nobody), IterTask::Pid(nobody)] {
        let link = over(&program, IterArgs::Task(task))?;
        ensure!(run(&link)? == 0, "{task:?} is {}", run(&link)?);
    }
    let file = std::fs::File::open("/proc/self/comm")?;
    let args = IterArgs::Task(IterTask::Pidfd(file.as_fd()));
    ensure_refused!(
        RawLink::create(&request(&program).args(args)),
        Error::Command(_),
        Some(libc::EBADF)
    );
    Ok(())
}

fn a_process_is_descriptor_zero(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("task")?;
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty())?;
    let link = descriptor_zero::with(&pidfd, |zero| {
        over(&program, IterArgs::Task(IterTask::Pidfd(zero)))
    })?;
    ensure_fields(&link, &of_task(0, std::process::id()))?;
    ensure!(run(&link)? == 1);
    Ok(())
}

/// A cgroup, with two children, of which one has a child.
fn family(sandbox: &Sandbox) -> Result<[Cgroup; 4]> {
    let top = sandbox.new_cgroup("top")?;
    let (left, right) = (top.child("left")?, top.child("right")?);
    let leaf = left.child("leaf")?;
    // They go from the last to the first.
    Ok([top, right, left, leaf])
}

fn over_cgroups(sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("cgroup")?;
    let [top, _right, left, leaf] = family(sandbox)?;
    let check = |cgroup, id, order, expected| {
        let link = over(&program, IterArgs::Cgroup { cgroup, order })?;
        ensure_fields(&link, &of_cgroup(id, order))?;
        let found = run(&link)?;
        ensure!(found == expected, "{cgroup:?} {order} has {found}");
        Ok(())
    };
    for (cgroup, below, above) in [(&top, 4, 2), (&left, 2, 3), (&leaf, 1, 4)] {
        let id = cgroup.id()?;
        for by in [IterCgroup::Fd(cgroup.as_fd()), IterCgroup::Id(id)] {
            check(by, id, CgroupIterOrder::SelfOnly, 1)?;
            check(by, id, CgroupIterOrder::DescendantsPre, below)?;
            check(by, id, CgroupIterOrder::DescendantsPost, below)?;
            check(by, id, CgroupIterOrder::AncestorsUp, above)?;
        }
    }
    let root = std::fs::metadata(sandbox.cgroup_root()?)?;
    let root = std::os::unix::fs::MetadataExt::ino(&root);
    check(IterCgroup::Root, root, CgroupIterOrder::SelfOnly, 1)?;
    check(IterCgroup::Root, root, CgroupIterOrder::AncestorsUp, 1)
}

fn over_children(sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("cgroup")?;
    let [top, _right, left, _leaf] = family(sandbox)?;
    for (cgroup, children) in [(&top, 2), (&left, 1)] {
        let order = CgroupIterOrder::Children;
        let by = IterCgroup::Fd(cgroup.as_fd());
        let link = over(&program, IterArgs::Cgroup { cgroup: by, order })?;
        ensure_fields(&link, &of_cgroup(cgroup.id()?, order))?;
        ensure!(run(&link)? == children);
    }
    Ok(())
}

fn a_cgroup_that_is_not_there(sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("cgroup")?;
    let gone = sandbox.new_cgroup("gone")?;
    let id = gone.id()?;
    gone.remove()?;
    let order = CgroupIterOrder::SelfOnly;
    let no_cgroup = std::fs::File::open(sandbox.directory())?;
    for (cgroup, errno) in [
        (IterCgroup::Id(u64::MAX), libc::ENOENT),
        (IterCgroup::Id(id), libc::ENOENT),
        (IterCgroup::Fd(no_cgroup.as_fd()), libc::EBADF),
    ] {
        let args = IterArgs::Cgroup { cgroup, order };
        ensure_refused!(
            RawLink::create(&request(&program).args(args)),
            Error::Command(_),
            Some(errno)
        );
    }
    Ok(())
}

fn an_order_that_there_is_not(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("cgroup")?;
    let cgroup = IterCgroup::Root;
    for order in [0, 99].map(CgroupIterOrder::from_raw) {
        let args = IterArgs::Cgroup { cgroup, order };
        ensure_refused!(
            RawLink::create(&request(&program).args(args)),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    // The kernel wants to be told one.
    let refused = RawLink::create(&request(&program));
    ensure_refused!(refused, Error::Command(_), Some(libc::EINVAL));
    Ok(())
}

fn a_cgroup_is_descriptor_zero(sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("cgroup")?;
    let [top, _right, _left, _leaf] = family(sandbox)?;
    let order = CgroupIterOrder::DescendantsPre;
    let link = descriptor_zero::with(&top, |zero| {
        let cgroup = IterCgroup::Fd(zero);
        over(&program, IterArgs::Cgroup { cgroup, order })
    })?;
    ensure_fields(&link, &of_cgroup(top.id()?, order))?;
    ensure!(run(&link)? == 4);
    Ok(())
}

/// Such a kernel ignores a thread, and goes over all; the others it refuses as too long.
fn before_there_were_tasks(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("task")?;
    let pid = std::process::id();
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty())?;
    for (args, errno) in [
        (IterArgs::Task(IterTask::Tid(pid)), None),
        (IterArgs::Task(IterTask::Pid(pid)), Some(libc::E2BIG)),
        (
            IterArgs::Task(IterTask::Pidfd(pidfd.as_fd())),
            Some(libc::E2BIG),
        ),
    ] {
        ensure_refused!(
            RawLink::create(&request(&program).args(args)),
            Error::UnsupportedByKernel(_),
            errno
        );
    }
    ensure!(run(&RawLink::create(&request(&program))?)? > 1);
    Ok(())
}

fn a_target_and_flags(_sandbox: &Sandbox) -> Result<()> {
    let program = lines_of("bpf_map")?;
    let map = Map::array(4, 1)?;
    for request in [
        request(&program).target_fd(&map),
        request(&program).flags(AttachFlags::BEFORE),
    ] {
        ensure_refused!(
            RawLink::create(&request),
            Error::Command(_),
            Some(libc::EINVAL)
        );
    }
    Ok(())
}

/// The kernel would take the numbers of the one for the addresses of the other.
fn arguments_that_do_not_go_together(_sandbox: &Sandbox) -> Result<()> {
    let (iterator, xdp) = (lines_of("bpf_map")?, Program::passing(Hook::XDP)?);
    let map = Map::array(4, 1)?;
    for request in [
        request(&iterator).args(NetfilterArgs::new(2, 0, 0)),
        LinkCreate::new(&xdp, AttachType::Xdp).args(IterArgs::map(&map)),
        // What this release does not know may have any arm.
        LinkCreate::new(&xdp, AttachType::from_raw(0x7fff)).args(IterArgs::map(&map)),
    ] {
        let error = refusal(RawLink::create(&request))?;
        ensure!(
            matches!(
                error,
                Error::InvalidRequest(InvalidRequest::Arguments { .. })
            ) && error.errno().is_none(),
            "{error:?}"
        );
    }
    Ok(())
}

fn a_program_for_another_target(_sandbox: &Sandbox) -> Result<()> {
    let link = RawLink::create(&request(&lines_of("bpf_map")?))?;
    for other in [lines_of("task")?, Program::passing(Hook::XDP)?] {
        ensure_refused!(link.update(&other), Error::Command(_), Some(libc::EINVAL));
    }
    run(&link)?;
    Ok(())
}
