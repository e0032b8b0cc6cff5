//! iter links through their type: attaching, info, and what is refused.

use std::fs::File;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{IterArgs, LinkCreate, RawLink};
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{Hook, KernelBtf, Loader, Map, Program, Sandbox, iterator};
use bpf_link_typed::{
    AttachType, CgroupIterOrder, Error, InfoBuf, IterAttach, IterCgroup, IterLink, IterTarget,
    IterTask, MapId,
};

use crate::fixture::attaching::{ensure_error, id_of, only_a_path};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];
const NO_TASKS: &[Need] = &[Need::Without(&Need::Member("bpf_link_info", "iter.task"))];

has_no! { IterLink: detach }

pub(crate) const TESTS: &[Test] = &[
    test!(attach),
    test!(of_tasks_and_cgroups).needs(&[Need::Member("bpf_link_info", "iter.task")]),
    test!(errors_of_cgroups_and_tasks).needs(TASKS),
    test!(errors_of_maps),
    test!(without_tasks).needs(NO_TASKS),
    test!(info),
    test!(info_of_tasks_and_cgroups).needs(&[Need::Member("bpf_link_info", "iter.task")]),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map", *b"element\n")?;
    let map = Map::hash(4, 4, 1)?;
    let link = IterAttach::over_all().attach(&program)?;
    ensure!(link.info()?.target == IterTarget::All);
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));

    let program = iterator("bpf_map_elem", *b"element\n")?;
    map.update(&1u32.to_ne_bytes(), &1u32.to_ne_bytes())?;
    let link = IterAttach::over_map(&map).attach(&program)?;
    let id = MapId::new(map.id()?).context("it has an id")?;
    ensure!(link.info()?.target == IterTarget::Map(id));
    ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    ensure_error!(
        IterAttach::over_all().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook trace_iter"]
    );
    ensure_error!(
        IterAttach::over_all().attach(&Program::passing(Hook::XDP)?),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["hook trace_iter"]
    );
    Ok(())
}

fn of_tasks_and_cgroups(sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    let process = std::process::id();
    let this = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(this, rustix::process::PidfdFlags::empty())?;
    for (tasks, target) in [
        (IterTask::Tid(process), IterTarget::Tid(process)),
        (IterTask::Pid(process), IterTarget::Pid(process)),
        (IterTask::Pidfd(pidfd.as_fd()), IterTarget::Pid(process)),
    ] {
        let link = IterAttach::over_tasks(tasks).attach(&program)?;
        ensure!(link.info()?.target == target, "{:?}", link.info()?);
        let read = std::io::read_to_string(link.create_iter()?)?;
        ensure!(read.contains("element\n"), "{read}");
    }
    let cgroup = sandbox.new_cgroup("attach")?;
    let program = iterator("cgroup", *b"element\n")?;
    let (cgroup_id, order) = (cgroup.id()?, CgroupIterOrder::AncestorsUp);
    for to in [
        IterAttach::over_cgroups_of(&cgroup, order),
        IterAttach::over_cgroups(IterCgroup::Id(cgroup_id), order),
    ] {
        let link = to.attach(&program)?;
        ensure!(link.info()?.target == IterTarget::Cgroup { cgroup_id, order });
        ensure!(std::io::read_to_string(link.create_iter()?)?.contains("element\n"));
    }
    Ok(())
}

fn errors_of_maps(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map_elem", *b"element\n")?;
    ensure_error!(
        IterAttach::over_map(&program).attach(&program),
        Error::Link(bpf_link::Error::NotAMap(_)),
        None,
        &[&format!("program {}", program.id()?)]
    );
    for (over, errno) in [
        (IterAttach::over_map(&Map::sockmap(1)?), libc::EINVAL),
        (
            IterAttach::over_map(&only_a_path("/proc/self/comm")?),
            libc::EBADF,
        ),
        (IterAttach::over_all(), libc::EBADF),
    ] {
        ensure_error!(
            over.attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno),
            &["hook trace_iter"]
        );
    }
    // It reads more of a value than there is.
    let value = KernelBtf::get()?.member("bpf_iter__bpf_map_elem", "value")?;
    let value = i16::try_from(value.context("there is no value")?.offset)?;
    let program = Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?;
    let program = program.running(&[
        asm::load(Register::R2, Register::R1, value),
        asm::skip_if_equal(Register::R2, 0, 1),
        asm::load(Register::R2, Register::R2, 8),
        asm::set(Register::R0, 0),
        asm::exit(),
    ])?;
    let short = Map::hash(4, 8, 1)?;
    ensure_error!(
        IterAttach::over_map(&short).attach(&program),
        Error::Link(bpf_link::Error::PermissionDenied(_)),
        Some(libc::EACCES),
        &[&format!("map {}", short.id()?)]
    );
    drop(IterAttach::over_map(&Map::hash(4, 16, 1)?).attach(&program)?);
    Ok(())
}

fn errors_of_cgroups_and_tasks(sandbox: &Sandbox) -> Result<()> {
    let file = File::open("/proc/self/comm")?;
    let cgroup = sandbox.new_cgroup("errors")?;
    let (cgroups, tasks) = (
        iterator("cgroup", *b"element\n")?,
        iterator("task", *b"element\n")?,
    );
    let order = CgroupIterOrder::SelfOnly;
    ensure_error!(
        IterAttach::over_cgroups_of(&file, order).attach(&cgroups),
        Error::NotACgroup { path: None, .. },
        Some(libc::EBADF),
        &["the file descriptor is not a cgroup"]
    );
    for (over, program, errno, words) in [
        (
            IterAttach::over_cgroups(IterCgroup::Id(u64::MAX), order),
            &cgroups,
            libc::ENOENT,
            "the cgroup with id 18446744073709551615",
        ),
        (
            IterAttach::over_cgroups_of(&cgroup, CgroupIterOrder::from_raw(99)),
            &cgroups,
            libc::EINVAL,
            "hook trace_iter",
        ),
        (
            IterAttach::over_tasks(IterTask::Pidfd(file.as_fd())),
            &tasks,
            libc::EBADF,
            "hook trace_iter",
        ),
    ] {
        ensure_error!(
            over.attach(program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno),
            &[words]
        );
    }
    Ok(())
}

fn without_tasks(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    let pid = std::process::id();
    ensure_error!(
        IterAttach::over_tasks(IterTask::Pid(pid)).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::E2BIG),
        &["hook trace_iter", &format!("process {pid}")]
    );
    Ok(())
}

fn iter_info(target: &str, args: Option<IterArgs<'_>>) -> Result<IterTarget> {
    let program = iterator(target, *b"element\n")?;
    let mut request = LinkCreate::new(&program, AttachType::TraceIter);
    if let Some(args) = args {
        request = request.args(args);
    }
    let link = IterLink::try_from(RawLink::create(&request)?)?;
    let mut buf = InfoBuf::new();
    let info = link.info_in(&mut buf)?;
    ensure!(info.program_id == id_of(&program)? && info.is_defunct() == Some(false));
    let name = info.target_name.context("no name")?;
    ensure!(name.to_str()? == target, "{info:?}");
    ensure!(info.into_owned() == link.info()?);
    Ok(info.target)
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    ensure!(iter_info("bpf_map", None)? == IterTarget::All);
    ensure!(iter_info("task", None)? == IterTarget::All);
    let map = Map::hash(4, 4, 1)?;
    let target = iter_info("bpf_map_elem", Some(IterArgs::map(&map)))?;
    let id = MapId::new(map.id()?).context("no id")?;
    ensure!(target == IterTarget::Map(id), "{target:?}");
    Ok(())
}

fn info_of_tasks_and_cgroups(sandbox: &Sandbox) -> Result<()> {
    let process = std::process::id();
    for target in ["task", "task_file"] {
        let tid = iter_info(target, Some(IterArgs::Task(IterTask::Tid(process))))?;
        ensure!(tid == IterTarget::Tid(process), "{tid:?}");
        let pid = iter_info(target, Some(IterArgs::Task(IterTask::Pid(process))))?;
        ensure!(pid == IterTarget::Pid(process), "{pid:?}");
    }
    let cgroup = sandbox.new_cgroup("typed")?;
    for order in [CgroupIterOrder::SelfOnly, CgroupIterOrder::DescendantsPost] {
        let args = IterArgs::Cgroup {
            cgroup: IterCgroup::Fd(cgroup.as_fd()),
            order,
        };
        let target = iter_info("cgroup", Some(args))?;
        let cgroup_id = cgroup.id()?;
        ensure!(
            target == IterTarget::Cgroup { cgroup_id, order },
            "{target:?}"
        );
    }
    Ok(())
}
