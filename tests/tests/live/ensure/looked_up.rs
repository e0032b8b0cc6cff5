//! What options name and is not there, and programs that do not fit: a plan fails as the run does,
//! and so does that of a set, whether there is a link to replace or not.

use std::fmt::Debug;
use std::fs::File;
use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{CounterMap, Hook, Loader, Replaceable, Sandbox, own_code};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    AttachProgram, CgroupAttach, CgroupHook, CgroupIterOrder, IterAttach, LinkSet, NetfilterAttach,
    NetfilterFamily, NetfilterHook, NetnsAttach, NetnsHook, PerfEventAttach, TcxAttach, TcxHook,
    TracepointEvent, TracingAttach, TracingMultiAttach, UprobeEvent, UprobeMultiAttach, XdpAttach,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::chain::check_refusal;
use crate::functions::own::{first, offset_of};
use crate::functions::test::FUNCTIONS;
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
    test!(a_function_of_a_program).needs(Need::TRACING),
    test!(a_function_of_many).needs(Need::TRACING_MULTI),
    test!(a_network_namespace),
    test!(a_network_namespace_of_netfilter).needs(Need::NETFILTER),
    test!(a_program_for_another_hook),
    test!(a_tracepoint).needs(Need::PERF_EVENT),
];

const FILES: [&str; 2] = [own_code::FILE, "/nowhere"];

fn a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("here")?;
    let here = cgroup.path().to_str().context("it is UTF-8")?;
    for nowhere in ["/proc", "/sys/fs/cgroup/nowhere"] {
        let to = |path| CgroupAttach::to(path, CgroupHook::InetEgress);
        check_names(
            sandbox,
            Loader::new(Hook::CGROUP_EGRESS),
            to,
            [here, nowhere],
        )?;
    }
    Ok(())
}

fn a_cgroup_to_go_over(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, elsewhere) = (sandbox.new_cgroup("here")?, File::open("/proc")?);
    let order = CgroupIterOrder::SelfOnly;
    let loader = Loader::new(Hook::ITERATOR).function("bpf_iter_cgroup")?;
    let there = IterAttach::over_cgroups_of(&cgroup, order);
    let nowhere = IterAttach::over_cgroups_of(&elsewhere, order);
    check(sandbox, [loader; 2], [there, nowhere], "not a cgroup")
}

fn a_device(sandbox: &Sandbox) -> Result<()> {
    let to = |device| XdpAttach::to(device);
    check_names(sandbox, Loader::new(Hook::XDP), to, ["lo", "nowhere0"])
}

fn a_device_of_a_list(sandbox: &Sandbox) -> Result<()> {
    let to = |device| TcxAttach::to(device, TcxHook::Ingress);
    check_names(
        sandbox,
        Loader::new(Hook::TCX_INGRESS),
        to,
        ["lo", "nowhere0"],
    )
}

fn a_file_with_code(sandbox: &Sandbox) -> Result<()> {
    let offset = offset_of(first)?;
    let to = |path| PerfEventAttach::to(UprobeEvent::at(path, offset));
    check_names(sandbox, Loader::new(Hook::KPROBE), to, FILES)
}

fn a_file_with_many_places(sandbox: &Sandbox) -> Result<()> {
    let offset = offset_of(first)?;
    let to = |path| UprobeMultiAttach::to(path, When::Entry, vec![offset]);
    check_names(sandbox, Loader::new(Hook::UPROBE_MULTI), to, FILES)
}

fn a_function_of_a_program(sandbox: &Sandbox) -> Result<()> {
    let target = Replaceable::new(&CounterMap::new()?)?;
    let to = |function| TracingAttach::extension_of(&target, function);
    let names = [Replaceable::NAME, "nothing_of_the_sort"];
    check_names(sandbox, target.extension(), to, names)
}

fn a_function_of_many(sandbox: &Sandbox) -> Result<()> {
    let [one, another, _] = FUNCTIONS;
    let to = |function| TracingMultiAttach::to(When::Entry, [one, function]);
    let names = [another, "nothing_of_the_sort"];
    check_names(sandbox, Loader::new(Hook::FENTRY_MULTI), to, names)
}

fn a_network_namespace(sandbox: &Sandbox) -> Result<()> {
    let to = |path| NetnsAttach::to(path, NetnsHook::SkLookup);
    let names = ["/proc/self/ns/net", "/run/netns/nowhere"];
    check_names(sandbox, Loader::new(Hook::SK_LOOKUP), to, names)
}

/// Also what is a namespace, but not one of networks.
fn a_network_namespace_of_netfilter(sandbox: &Sandbox) -> Result<()> {
    let other = sandbox.directory().join("other");
    symlink("/proc/self/ns/mnt", &other)?;
    let other = other.to_str().context("it is UTF-8")?;
    for nowhere in ["/run/netns/nowhere", other] {
        let to = |path| {
            NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, -10_000)
                .in_netns(path)
        };
        let names = ["/proc/self/ns/net", nowhere];
        check_names(sandbox, Loader::new(Hook::NETFILTER), to, names)?;
    }
    Ok(())
}

fn a_tracepoint(sandbox: &Sandbox) -> Result<()> {
    let tracefs = sandbox.tracefs()?;
    let to = |name| PerfEventAttach::to(TracepointEvent::new("sched", name).tracefs(tracefs));
    let names = ["sched_process_fork", "nothing_of_the_sort"];
    check_names(sandbox, Loader::new(Hook::TRACEPOINT), to, names)
}

/// A program for another hook is refused likewise.
fn a_program_for_another_hook(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("here")?;
    let loaders = [Hook::CGROUP_EGRESS, Hook::CGROUP_SOCK_CREATE].map(Loader::new);
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    check(sandbox, loaders, [to.clone(), to], "does not fit")
}

/// The same with what is attached to by its name. The second is not there.
fn check_names<'a, A>(
    sandbox: &Sandbox,
    loader: Loader,
    to: impl Fn(&'a str) -> A,
    names: [&'a str; 2],
) -> Result<()>
where
    A: AttachProgram + Debug + Send + Sync,
{
    check(sandbox, [loader; 2], names.map(to), names[1])
}

/// Each of the plans and runs with the second program or options fails with these words, and a link
/// with the first ones stays as it is.
fn check<A>(
    sandbox: &Sandbox,
    [old, new]: [Loader; 2],
    [there, wrong]: [A; 2],
    words: &str,
) -> Result<()>
where
    A: AttachProgram + Debug + Send + Sync,
{
    let (old, new) = (old.passing()?, new.passing()?);
    let directory = sandbox.bpffs().join("agent");
    let mut before = LinkSet::in_dir(&directory).create_dir(0o700);
    before.add("link", there, &old)?;
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add("link", wrong.clone(), &new)?;
    let one = wrong.ensure_pinned(directory.join("link"));
    let one = one.create_parents(0o700);
    let fails = || {
        let of_one = [one.plan(&new).err(), one.run(&new).err()];
        let of_a_set = [set.plan().err(), set.apply().err()];
        for [plan, run] in [of_one, of_a_set] {
            let plan = check_refusal(plan.map_or(Ok(()), Err), &[words])?;
            let run = check_refusal(run.map_or(Ok(()), Err), &[words])?;
            let (plan, run) = (anyhow::Error::from(plan), anyhow::Error::from(run));
            let (plan, run) = (format!("{plan:#}"), format!("{run:#}"));
            ensure!(plan == run, "{plan}, but {run}");
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
