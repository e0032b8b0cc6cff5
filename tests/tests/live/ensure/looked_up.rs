//! What options name and is not there: a plan fails as the run does, and so does that of a set,
//! whether there is a link to replace or not.

use std::fmt::Debug;
use std::fs::File;
use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Loader, Sandbox, own_code};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    AttachProgram, CgroupAttach, CgroupHook, CgroupIterOrder, IterAttach, LinkSet, NetfilterAttach,
    NetfilterFamily, NetfilterHook, NetnsAttach, NetnsHook, PerfEventAttach, TcxAttach, TcxHook,
    TracepointEvent, UprobeEvent, UprobeMultiAttach, XdpAttach,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::chain::check_refusal;
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_cgroup),
    test!(a_cgroup_to_go_over)
        .needs(&[Need::Member("bpf_link_info", "iter.task")])
        .also_needs(&[Need::Iterator("cgroup")]),
    test!(a_device),
    test!(a_device_of_a_list).needs(Need::TCX),
    test!(a_file_with_code).needs(Need::PERF_EVENT),
    test!(a_file_with_many_places).needs(Need::UPROBE_MULTI),
    test!(a_network_namespace),
    test!(a_network_namespace_of_netfilter).needs(Need::NETFILTER),
    test!(a_tracepoint).needs(Need::PERF_EVENT),
];

fn a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("here")?;
    let to = |path: &str| CgroupAttach::to(path.to_owned(), CgroupHook::InetEgress);
    let there = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    for path in ["/proc", "/sys/fs/cgroup/nowhere"] {
        check(
            sandbox,
            Loader::new(Hook::CGROUP_EGRESS),
            &there,
            &to(path),
            path,
        )?;
    }
    Ok(())
}

fn a_cgroup_to_go_over(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("here")?;
    let elsewhere = File::open("/proc")?;
    let order = CgroupIterOrder::SelfOnly;
    let loader = Loader::new(Hook::ITERATOR).function("bpf_iter_cgroup")?;
    check(
        sandbox,
        loader,
        &IterAttach::over_cgroups_of(&cgroup, order),
        &IterAttach::over_cgroups_of(&elsewhere, order),
        "not a cgroup",
    )
}

fn a_device(sandbox: &Sandbox) -> Result<()> {
    let (there, nowhere) = (XdpAttach::to("lo"), XdpAttach::to("nowhere0"));
    check(
        sandbox,
        Loader::new(Hook::XDP),
        &there,
        &nowhere,
        "nowhere0",
    )
}

fn a_device_of_a_list(sandbox: &Sandbox) -> Result<()> {
    let to = |device: &str| TcxAttach::to(device, TcxHook::Ingress);
    let loader = Loader::new(Hook::TCX_INGRESS);
    check(sandbox, loader, &to("lo"), &to("nowhere0"), "nowhere0")
}

fn a_file_with_code(sandbox: &Sandbox) -> Result<()> {
    let offset = offset_of(first)?;
    let to = |path: &'static str| PerfEventAttach::to(UprobeEvent::at(path, offset));
    let loader = Loader::new(Hook::KPROBE);
    check(
        sandbox,
        loader,
        &to(own_code::FILE),
        &to("/nowhere"),
        "/nowhere",
    )
}

fn a_file_with_many_places(sandbox: &Sandbox) -> Result<()> {
    let offset = offset_of(first)?;
    let to = |path: &'static str| UprobeMultiAttach::to(path, When::Entry, vec![offset]);
    let loader = Loader::new(Hook::UPROBE_MULTI);
    check(
        sandbox,
        loader,
        &to(own_code::FILE),
        &to("/nowhere"),
        "/nowhere",
    )
}

fn a_network_namespace(sandbox: &Sandbox) -> Result<()> {
    let to = |path: &'static str| NetnsAttach::to(path, NetnsHook::SkLookup);
    let (here, nowhere) = (to("/proc/self/ns/net"), to("/run/netns/nowhere"));
    let loader = Loader::new(Hook::SK_LOOKUP);
    check(sandbox, loader, &here, &nowhere, "/run/netns/nowhere")
}

/// Also what is a namespace, but not one of networks.
fn a_network_namespace_of_netfilter(sandbox: &Sandbox) -> Result<()> {
    let there = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, -10_000);
    let other = sandbox.directory().join("other");
    symlink("/proc/self/ns/mnt", &other)?;
    let other = other.to_str().context("it is UTF-8")?;
    for path in ["/run/netns/nowhere", other] {
        let elsewhere = there.clone().in_netns(path);
        check(
            sandbox,
            Loader::new(Hook::NETFILTER),
            &there,
            &elsewhere,
            path,
        )?;
    }
    Ok(())
}

fn a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let to = |name: &'static str| {
        PerfEventAttach::to(TracepointEvent::new("sched", name).tracefs(tracefs))
    };
    let loader = Loader::new(Hook::TRACEPOINT);
    let (there, nowhere) = (to("sched_process_fork"), to("nothing_of_the_sort"));
    check(sandbox, loader, &there, &nowhere, "nothing_of_the_sort")
}

/// Each of the plans and runs with what is not there fails with these words, and the old link stays
/// as it is.
fn check<A>(sandbox: &Sandbox, loader: Loader, there: &A, nowhere: &A, words: &str) -> Result<()>
where
    A: AttachProgram + Debug + Send + Sync,
{
    let (old, new) = (loader.passing()?, loader.passing()?);
    let directory = sandbox.bpffs().join("agent");
    let pin = directory.join("link");
    let mut before = LinkSet::in_dir(&directory).create_dir(0o700);
    before.add("link", there.clone(), &old)?;
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("link", nowhere.clone(), &new)?;
    let nowhere = nowhere.clone().ensure_pinned(&pin).create_parents(0o700);
    let fails = || {
        let of_one = [nowhere.plan(&new).err(), nowhere.run(&new).err()];
        let of_a_set = [set.plan().err(), set.apply().err()];
        for [plan, run] in [of_one, of_a_set] {
            let plan = check_refusal(plan.map_or(Ok(()), Err), &[words])?;
            let run = check_refusal(run.map_or(Ok(()), Err), &[words])?;
            let (plan, run) = (anyhow::Error::from(plan), anyhow::Error::from(run));
            ensure!(
                format!("{plan:#}") == format!("{run:#}"),
                "{plan:#}, but {run:#}"
            );
        }
        anyhow::Ok(())
    };
    fails().context("with nothing there")?;
    ensure!(!directory.try_exists()?, "there is a directory");
    let links = before.apply()?;
    fails().context("with a link there")?;
    ensure!(links.is_ours()? && our_links()?.len() == 1, "{links:?}");
    links.stop()?;
    std::fs::remove_dir(&directory)?;
    ensure_nothing_left(sandbox)
}
