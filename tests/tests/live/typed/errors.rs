//! Attaching through the types of the kinds: refusals of networks, cgroups, iterators and callbacks that their documentation lists, and
//! that the files of attaching do not come by.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::asm::{self, Register};
use bpf_link_tests::{
    Device, DeviceKind, Hook, KernelBtf, Loader, Map, Program, Sandbox, iterator,
};
use bpf_link_typed::{
    Anchor, CgroupAttach, CgroupHook, CgroupIterOrder, Error, FileRef, IterAttach, IterCgroup,
    IterTask, LinkAnchor, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach,
    NetkitHook, NetnsAttach, NetnsHook, Position, SockmapAttach, SockmapHook, StructOpsAttach,
    TcxAttach, TcxHook,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fixture::attaching::ensure_error;
use crate::harness::{Need, Test, test};

/// Positions and revisions of cgroups, since Linux 6.17.
const ORDER: &[Need] = &[Need::Member("cgroup_bpf", "revisions")];
const NO_PREORDER: &[Need] = &[Need::Without(&Need::Member("bpf_prog_list", "flags"))];
/// Cgroups and tasks, since Linux 6.1.
const TASKS: &[Need] = &[Need::Member("bpf_link_info", "iter.task")];
const NO_TASKS: &[Need] = &[Need::Without(&Need::Member("bpf_link_info", "iter.task"))];

/// A kernel without an attach type, or without a kind of link.
macro_rules! without {
    ($enumeration:literal, $constant:literal) => {
        &[Need::Without(&Need::Constant($enumeration, $constant))]
    };
}
pub(crate) use without;

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup_anchors).needs(ORDER),
    test!(cgroup_without_preorder).needs(NO_PREORDER),
    test!(iter_of_cgroups_and_tasks).needs(TASKS),
    test!(iter_of_maps),
    test!(iter_without_tasks).needs(NO_TASKS),
    test!(netfilter_full).needs(Need::NETFILTER),
    test!(netfilter_without).needs(without!("bpf_attach_type", "BPF_NETFILTER")),
    test!(netkit).needs(Need::NETKIT),
    test!(netkit_alone)
        .needs(Need::NETKIT)
        .also_needs(&[Need::Constant("netkit_pairing", "NETKIT_DEVICE_SINGLE")]),
    test!(netkit_without).needs(without!("bpf_attach_type", "BPF_NETKIT_PRIMARY")),
    test!(netns),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(sockmap_without).needs(without!("bpf_link_type", "BPF_LINK_TYPE_SOCKMAP")),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(struct_ops_without).needs(without!("bpf_attach_type", "BPF_STRUCT_OPS")),
    test!(tcx_without).needs(without!("bpf_attach_type", "BPF_TCX_INGRESS")),
];

/// A descriptor that stands for a place and for nothing that is open there.
pub(crate) fn only_a_path(path: &str) -> Result<File> {
    let options = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path);
    options.context(path.to_owned())
}

/// One side runs before all others, and the other does not.
fn cgroup_anchors(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    let link = to.attach(&program)?;
    let before = Position::Before(LinkAnchor::link(&link));
    ensure_error!(
        to.preorder().position(before).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn cgroup_without_preorder(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("errors")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(FileRef::fd(&cgroup), CgroupHook::InetEgress);
    ensure_error!(
        to.preorder().attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    to.attach(&program)?;
    Ok(())
}

fn iter_of_maps(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("bpf_map_elem", *b"element\n")?;
    for (over, errno) in [
        (IterAttach::over_map(&Map::sockmap(1)?), libc::EINVAL),
        (IterAttach::over_map(&program), libc::EINVAL),
        (
            IterAttach::over_map(&only_a_path("/proc/self/comm")?),
            libc::EBADF,
        ),
        (IterAttach::over_all(), libc::EBADF),
    ] {
        ensure_error!(
            over.attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
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
    ensure_error!(
        IterAttach::over_map(&Map::hash(4, 8, 1)?).attach(&program),
        Error::Link(bpf_link::Error::PermissionDenied(_)),
        Some(libc::EACCES)
    );
    IterAttach::over_map(&Map::hash(4, 16, 1)?).attach(&program)?;
    Ok(())
}

fn iter_of_cgroups_and_tasks(sandbox: &Sandbox) -> Result<()> {
    let file = File::open("/proc/self/comm")?;
    let cgroup = sandbox.new_cgroup("errors")?;
    let (cgroups, tasks) = (
        iterator("cgroup", *b"element\n")?,
        iterator("task", *b"element\n")?,
    );
    let order = CgroupIterOrder::SelfOnly;
    for (over, program, errno) in [
        (
            IterAttach::over_cgroups_of(&file, order),
            &cgroups,
            libc::EBADF,
        ),
        (
            IterAttach::over_cgroups(IterCgroup::Id(u64::MAX), order),
            &cgroups,
            libc::ENOENT,
        ),
        (
            IterAttach::over_cgroups_of(&cgroup, CgroupIterOrder::from_raw(99)),
            &cgroups,
            libc::EINVAL,
        ),
        (
            IterAttach::over_tasks(IterTask::Pidfd(file.as_fd())),
            &tasks,
            libc::EBADF,
        ),
    ] {
        ensure_error!(
            over.attach(program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn iter_without_tasks(_sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    ensure_error!(
        IterAttach::over_tasks(IterTask::Pid(std::process::id())).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)),
        Some(libc::E2BIG)
    );
    Ok(())
}

fn netfilter_at(priority: i32) -> NetfilterAttach {
    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::Forward, priority)
}

fn netfilter_full(_sandbox: &Sandbox) -> Result<()> {
    const MOST: usize = 1024;
    let other = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&other),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    // That many links are as many descriptors.
    let descriptors = Rlimit {
        current: Some(2 * MOST as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, descriptors).context("raising the limit")?;
    let program = Program::passing(Hook::NETFILTER)?;
    let mut links = Vec::new();
    let refused = loop {
        let priority = i32::try_from(links.len())? + 1;
        match netfilter_at(priority).attach(&program) {
            Ok(link) => links.push(link),
            Err(error) => break error,
        }
    };
    ensure!(
        links.len() <= MOST && links.len() >= MOST - 8,
        "{} are all",
        links.len()
    );
    ensure!(matches!(refused, Error::HookTaken(_)), "{refused:?}");
    ensure!(refused.errno() == Some(libc::E2BIG), "{refused:?}");
    Ok(())
}

fn netfilter_without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn netkit(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let load = || Program::passing(Hook::NETKIT_PRIMARY);
    let (here, there) = (
        NetkitAttach::to("kit", NetkitHook::Primary),
        NetkitAttach::to("kit", NetkitHook::Peer),
    );
    let (program, other) = (load()?, Program::passing(Hook::NETKIT_PEER)?);
    let elsewhere = there.attach(&other)?;
    ensure_error!(
        here.clone()
            .position(Position::After(Anchor::link(&elsewhere)))
            .attach(&program),
        Error::AnchorNotOnHook(_),
        Some(libc::ENOENT)
    );
    let programs: Vec<Program> = std::iter::repeat_with(load)
        .take(63)
        .collect::<Result<_>>()?;
    let _links: Vec<_> = programs
        .iter()
        .map(|program| here.attach(program))
        .collect::<Result<_, _>>()?;
    ensure_error!(
        here.attach(&program),
        Error::HookTaken(_),
        Some(libc::ERANGE)
    );
    Ok(())
}

fn netkit_alone(_sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::NetkitAlone, "kit")?;
    for (hook, end) in [
        (Hook::NETKIT_PRIMARY, NetkitHook::Primary),
        (Hook::NETKIT_PEER, NetkitHook::Peer),
    ] {
        let program = Program::passing(hook)?;
        ensure_error!(
            NetkitAttach::to("kit", end).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(libc::EOPNOTSUPP)
        );
    }
    Ok(())
}

/// A program for traffic control that was loaded for no attach type, as older kernels know none for it.
fn classifier() -> Result<Program> {
    let pass = Hook::TCX_INGRESS.pass;
    Program::passing(Hook::new(Hook::TCX_INGRESS.program_type, 0, pass))
}

fn ensure_unknown<L: std::fmt::Debug>(
    attach: impl FnOnce(&Program) -> bpf_link_typed::Result<L>,
) -> Result<()> {
    ensure_error!(
        attach(&classifier()?),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_) | bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn netkit_without(_sandbox: &Sandbox) -> Result<()> {
    let to = NetkitAttach::to("lo", NetkitHook::Primary);
    ensure_unknown(|program| to.attach(program))?;
    ensure_unknown(|program| to.clone().expected_revision(1).attach(program))
}

fn tcx_without(_sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    ensure_unknown(|program| to.attach(program))?;
    ensure_unknown(|program| to.clone().expected_revision(1).attach(program))
}

fn netns(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_LOOKUP)?;
    let file = only_a_path("/proc/self/ns/net")?;
    ensure_error!(
        NetnsAttach::to(FileRef::fd(&file), NetnsHook::SkLookup).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF)
    );
    Ok(())
}

fn sockmap(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    for (map, errno) in [(&file, libc::EINVAL), (&path, libc::EBADF)] {
        ensure_error!(
            SockmapAttach::to(map, SockmapHook::MsgVerdict).attach(&program),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn sockmap_without(_sandbox: &Sandbox) -> Result<()> {
    let (map, program) = (Map::sockmap(1)?, Program::passing(Hook::SK_MSG_VERDICT)?);
    ensure_error!(
        SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}

fn struct_ops(_sandbox: &Sandbox) -> Result<()> {
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    for (map, errno) in [(&file, libc::EINVAL), (&path, libc::EBADF)] {
        ensure_error!(
            StructOpsAttach::of(map).attach(),
            Error::Link(bpf_link::Error::Command(_)),
            Some(errno)
        );
    }
    Ok(())
}

fn struct_ops_without(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        StructOpsAttach::of(&Map::array(4, 1)?).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL)
    );
    Ok(())
}
