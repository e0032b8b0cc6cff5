//! Every sort of iter link, attached through its type with every option that it has.
//!
//! All but `dmabuf`, which runs nothing on a machine without such a buffer: `golden` has its info.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use bpf_link_tests::{Hook, Loader, Map, Sandbox};
use bpf_link_typed::{CgroupIterOrder, IterArgs, IterAttach, IterCgroup, IterTask, Link};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use serde_json::{Value, json};

use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::SubKind;

/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];

pub(crate) const TESTS: &[Test] = &[
    test!(caches).needs(&[Need::Iterator("kmem_cache")]),
    test!(cgroups)
        .needs(TASKS)
        .also_needs(&[Need::Iterator("cgroup")]),
    test!(children).needs(&[Need::Constant(
        "bpf_cgroup_iter_order",
        "BPF_CGROUP_ITER_CHILDREN",
    )]),
    test!(elements_of_maps),
    test!(links).needs(&[Need::Iterator("bpf_link")]),
    test!(maps_and_programs),
    test!(sockets),
    test!(sockets_of_unix).needs(&[Need::Iterator("unix")]),
    test!(symbols).needs(&[Need::Iterator("ksym")]),
    test!(tasks),
    test!(tasks_of_a_process).needs(TASKS),
    test!(memory_of_a_process)
        .needs(TASKS)
        .also_needs(&[Need::Iterator("task_vma")]),
];

/// `target` is what the info is to say beyond the name.
fn check<'a>(
    sandbox: &Sandbox,
    name: &str,
    over: impl Into<Option<IterArgs<'a>>>,
    target: &Value,
) -> Result<()> {
    let over = over.into();
    let function = format!("bpf_iter_{name}");
    let load = || Counting::loaded(Loader::new(Hook::ITERATOR).function(&function)?);
    let to = over.map_or_else(IterAttach::over_all, IterAttach::over);
    SubKind {
        sandbox,
        programs: [load()?, load()?],
        attach: &|program| Ok(to.attach(program)?.into()),
        info: &|_| Ok(json!({ "target_name": name, "target": target })),
        event: &run,
    }
    .check()
    .with_context(|| format!("{name}: {target}"))
}

/// Runs it to its end. Without a link there is nothing that could run.
fn run(link: Option<&Link>) -> Result<()> {
    if let Some(link) = link {
        link.create_iter()?.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn everything(sandbox: &Sandbox, names: &[&str]) -> Result<()> {
    for name in names {
        check(sandbox, name, None::<IterArgs<'_>>, &json!("all"))?;
    }
    Ok(())
}

fn caches(sandbox: &Sandbox) -> Result<()> {
    everything(sandbox, &["kmem_cache"])
}

fn links(sandbox: &Sandbox) -> Result<()> {
    everything(sandbox, &["bpf_link"])
}

fn maps_and_programs(sandbox: &Sandbox) -> Result<()> {
    everything(sandbox, &["bpf_map", "bpf_prog"])
}

fn symbols(sandbox: &Sandbox) -> Result<()> {
    everything(sandbox, &["ksym"])
}

fn tasks(sandbox: &Sandbox) -> Result<()> {
    everything(sandbox, &["task", "task_file"])
}

/// Of this network namespace, which has at least these.
fn sockets(sandbox: &Sandbox) -> Result<()> {
    let _stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let _datagram = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    everything(sandbox, &["tcp", "udp", "netlink", "ipv6_route"])
}

fn sockets_of_unix(sandbox: &Sandbox) -> Result<()> {
    let _pair = std::os::unix::net::UnixStream::pair()?;
    everything(sandbox, &["unix"])
}

fn elements_of_maps(sandbox: &Sandbox) -> Result<()> {
    for (name, map) in [
        ("bpf_map_elem", Map::hash(4, 4, 1)?),
        ("bpf_map_elem", Map::array(4, 3)?),
        ("sockmap", Map::sockmap(2)?),
        ("bpf_sk_storage_map", Map::socket_storage()?),
    ] {
        let target = json!({ "map": map.id()? });
        check(sandbox, name, IterArgs::map(&map), &target)?;
    }
    Ok(())
}

fn tasks_of_a_process(sandbox: &Sandbox) -> Result<()> {
    of_a_process(sandbox, &["task", "task_file"])
}

fn memory_of_a_process(sandbox: &Sandbox) -> Result<()> {
    of_a_process(sandbox, &["task_vma"])
}

/// A process that is given by its descriptor is reported by its number.
fn of_a_process(sandbox: &Sandbox, names: &[&str]) -> Result<()> {
    let process = std::process::id();
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty())?;
    for name in names {
        for (task, target) in [
            (IterTask::Tid(process), json!({ "tid": process })),
            (IterTask::Pid(process), json!({ "pid": process })),
            (IterTask::Pidfd(pidfd.as_fd()), json!({ "pid": process })),
        ] {
            check(sandbox, name, IterArgs::Task(task), &target)?;
        }
    }
    Ok(())
}

fn cgroups(sandbox: &Sandbox) -> Result<()> {
    let orders = [
        CgroupIterOrder::SelfOnly,
        CgroupIterOrder::DescendantsPre,
        CgroupIterOrder::DescendantsPost,
        CgroupIterOrder::AncestorsUp,
    ];
    in_orders(sandbox, &orders)
}

fn children(sandbox: &Sandbox) -> Result<()> {
    in_orders(sandbox, &[CgroupIterOrder::Children])
}

fn in_orders(sandbox: &Sandbox, orders: &[CgroupIterOrder]) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sub")?;
    let _child = cgroup.child("child")?;
    let id = cgroup.id()?;
    for &order in orders {
        for cgroup in [IterCgroup::Fd(cgroup.as_fd()), IterCgroup::Id(id)] {
            let target = json!({ "cgroup": { "cgroup_id": id, "order": order } });
            check(
                sandbox,
                "cgroup",
                IterArgs::Cgroup { cgroup, order },
                &target,
            )?;
        }
    }
    Ok(())
}
