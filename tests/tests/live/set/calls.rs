//! How many system calls a set makes: for each link as many, however many links there are; and how
//! long it waits for hooks.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, Loader, Map, Program, Sandbox, device,
    eventually_holds, iterator, names, own_code,
};
use bpf_link_typed::{
    BtfTypeId, CgroupAttach, CgroupHook, Error, IterAttach, KprobeMultiAttach, LinkSet,
    NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach,
    NetnsHook, PerfEventAttach, RawTracepointAttach, SockmapAttach, SockmapHook, TcxAttach,
    TcxHook, TracingAttach, TracingHook, TracingMultiAttach, UprobeEvent, UprobeMultiAttach,
    XdpAttach, attach::When, set::Stale,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::ensure::places::is_linux;
use crate::functions::kernel::SYMBOLS;
use crate::functions::own::{first, offset_of};
use crate::functions::test::{FUNCTION, FUNCTIONS, function_id};
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(cgroup),
    test!(hooks_that_are_taken_share_the_time_to_wait)
        .needs(VETH)
        .alone(),
    test!(iter),
    test!(kprobe_multi).needs(Need::KPROBE_MULTI),
    test!(netfilter).needs(Need::NETFILTER),
    test!(netkit).needs(Need::NETKIT),
    test!(netns),
    test!(perf_event)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Function("uprobe_mmap")]),
    test!(raw_tracepoint),
    test!(sockmap).needs(Need::SOCKMAP),
    test!(struct_ops).needs(Need::STRUCT_OPS),
    test!(tcx).needs(Need::TCX),
    test!(tracing).needs(Need::TRACING),
    test!(tracing_multi).needs(Need::TRACING_MULTI),
    test!(uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(xdp).needs(VETH),
];

const VETH: &[Need] = &[Need::Device(DeviceKind::Veth)];

pub(crate) const ROLES: &[Role] = &[role!(planner), role!(waiter)];

/// What a link of a set is made of.
struct Part {
    object: Arc<OwnedFd>,
    map: Option<Arc<Map>>,
    function: Option<BtfTypeId>,
}

impl Part {
    fn load(kind: &str, number: usize) -> Result<Self> {
        let passing = Program::passing;
        let mut map = None;
        let mut function = None;
        let program = match kind {
            "cgroup" => passing(Hook::CGROUP_EGRESS)?,
            "iter" => iterator("bpf_map", *b"plan_map")?,
            "kprobe_multi" => passing(Hook::KPROBE_MULTI)?,
            "netfilter" => passing(Hook::NETFILTER)?,
            "netkit" => passing(Hook::NETKIT_PEER)?,
            "netns" => passing(Hook::SK_LOOKUP)?,
            "perf_event" => passing(Hook::KPROBE)?,
            "raw_tracepoint" => passing(Hook::RAW_TRACEPOINT)?,
            "sockmap" => {
                map = Some(Arc::new(Map::sockmap(1)?));
                passing(Hook::SK_MSG_VERDICT)?
            }
            "struct_ops" => {
                let control = CongestionControl::new(&names::object_name(&format!("c{number}")))?;
                return Ok(Self {
                    object: Arc::new(control.into()),
                    map,
                    function,
                });
            }
            "tcx" => passing(Hook::TCX_INGRESS)?,
            "tracing" => Loader::new(Hook::FENTRY).function(FUNCTION)?.passing()?,
            "tracing_multi" => {
                function = Some(function_id(FUNCTIONS[0])?);
                passing(Hook::FENTRY_MULTI)?
            }
            "uprobe_multi" => passing(Hook::UPROBE_MULTI)?,
            "xdp" => passing(Hook::XDP)?,
            kind => bail!("{kind}"),
        };
        Ok(Self {
            object: Arc::new(program.into()),
            map,
            function,
        })
    }

    fn add(
        &self,
        set: &mut LinkSet<'static>,
        kind: &str,
        number: usize,
        cgroup: &Path,
    ) -> Result<()> {
        let name = &format!("link_{number}");
        let object = self.object.clone();
        match kind {
            "cgroup" => {
                let to = CgroupAttach::to(cgroup.to_owned(), CgroupHook::InetEgress);
                set.add(name, to, object).map(drop)
            }
            "iter" => set.add(name, IterAttach::over_all(), object).map(drop),
            "kprobe_multi" => {
                let to = KprobeMultiAttach::to_symbols(When::Entry, &SYMBOLS);
                set.add(name, to, object).map(drop)
            }
            "netfilter" => {
                let priority = i32::try_from(number)?;
                let to =
                    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, priority);
                set.add(name, to, object).map(drop)
            }
            "netkit" => {
                let to = NetkitAttach::to("kit", NetkitHook::Peer);
                set.add(name, to, object).map(drop)
            }
            "netns" => {
                let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
                set.add(name, to, object).map(drop)
            }
            "perf_event" => {
                let to = PerfEventAttach::to(UprobeEvent::at(own_code::FILE, offset_of(first)?));
                set.add(name, to, object).map(drop)
            }
            "raw_tracepoint" => {
                let to = RawTracepointAttach::to("sys_enter");
                set.add(name, to, object).map(drop)
            }
            "sockmap" => {
                let map = self.map.clone().context("no map")?;
                set.add_from(name, map, verdict, object).map(drop)
            }
            "struct_ops" => set.add_struct_ops(name, object).map(drop),
            "tcx" => set
                .add(name, TcxAttach::to("lo", TcxHook::Ingress), object)
                .map(drop),
            "tracing" => set
                .add(name, TracingAttach::to(TracingHook::Fentry), object)
                .map(drop),
            "tracing_multi" => {
                let function = self.function.context("no function")?;
                let to = TracingMultiAttach::to(When::Entry, [function]);
                set.add(name, to, object).map(drop)
            }
            "uprobe_multi" => {
                let places = vec![offset_of(first)?];
                let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, places);
                set.add(name, to, object).map(drop)
            }
            "xdp" => set
                .add(name, XdpAttach::to(device_name(number)), object)
                .map(drop),
            kind => bail!("{kind}"),
        }?;
        Ok(())
    }
}

fn verdict(map: &Arc<Map>) -> SockmapAttach<'_> {
    SockmapAttach::to(map, SockmapHook::MsgVerdict)
}

fn device_name(number: usize) -> String {
    format!("dev{number}")
}

/// Brings links about, and plans the same set anew when it is told, as the next start would.
fn planner(arguments: &[String]) -> Result<()> {
    let [directory, kind, count, cgroup] = arguments else {
        bail!("{arguments:?}");
    };
    let parts: Vec<Part> = (0..count.parse()?)
        .map(|number| Part::load(kind, number))
        .collect::<Result<_>>()?;
    let set = || -> Result<_> {
        let mut set = LinkSet::in_dir(directory).create_dir(0o700);
        for (number, part) in parts.iter().enumerate() {
            part.add(&mut set, kind, number, cgroup.as_ref())?;
        }
        Ok(set)
    };
    set()?.apply()?;
    let again = set()?;
    role::say("ready")?;
    role::listen()?;
    let plan = again.plan()?;
    ensure!(
        plan.links.len() == parts.len() && plan.others.is_empty(),
        "{plan}"
    );
    // What it has is not given back: that would take more calls the more there is.
    std::process::exit(0)
}

/// How many system calls such a plan takes, besides those for memory.
fn calls(sandbox: &Sandbox, kind: &str, count: usize, cgroup: &Path) -> Result<usize> {
    let directory = sandbox.bpffs().join("agent");
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("not UTF-8");
    let arguments = [
        text(&directory)?,
        kind.to_owned(),
        count.to_string(),
        text(cgroup)?,
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut player = role!(planner).start(&arguments)?;
    ensure!(player.hear()? == "ready");
    let calls = player.count_calls(|call| {
        ![
            libc::SYS_brk,
            libc::SYS_mmap,
            libc::SYS_munmap,
            libc::SYS_mremap,
        ]
        .contains(&call)
    })?;
    LinkSet::in_dir(&directory)
        .remove_stale(Stale::all())
        .apply()?;
    Ok(calls)
}

/// Holds that each link takes so many system calls at most, whether there are few or several.
fn check(sandbox: &Sandbox, kind: &str, most: usize) -> Result<()> {
    check_beside(sandbox, kind, most, 0)
}

/// The same for a kind of which the second link takes so many calls more than the first, as the two
/// may be on one hook.
fn check_beside(sandbox: &Sandbox, kind: &str, most: usize, more: usize) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    let mut counted = Vec::new();
    for count in [1, 2, 4, 9] {
        counted.push(calls(sandbox, kind, count, cgroup.path())?);
    }
    let [one, two, few, several] = counted[..] else {
        bail!("{counted:?}");
    };
    let (each, later) = ((few - two) / 2, (several - few) / 5);
    ensure!(two - one >= each + more, "{counted:?}");
    // Kernels that open no pin by its directory are asked again, and those that tell no cookie
    // whether they have any.
    let most = if is_linux(6, 17)? { most } else { most + 3 };
    ensure!(
        later <= each && each <= most,
        "{each} calls for each of a few links, {later} for each of several; in all {counted:?}"
    );
    ensure_nothing_left(sandbox)
}

fn cgroup(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "cgroup", 7)
}

fn iter(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "iter", 7)
}

fn kprobe_multi(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "kprobe_multi", 9)
}

fn netfilter(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "netfilter", 7)
}

fn netkit(sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "kit")?;
    check(sandbox, "netkit", 13)?;
    device.delete()
}

fn netns(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "netns", 12)
}

fn perf_event(sandbox: &Sandbox) -> Result<()> {
    // The kernel does not report all options, so a new link would be attached, and its file is
    // looked up.
    check(sandbox, "perf_event", 8)
}

fn raw_tracepoint(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "raw_tracepoint", 7)
}

fn sockmap(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "sockmap", 11)
}

/// The names by which the callbacks of two maps are registered take some of them.
fn struct_ops(sandbox: &Sandbox) -> Result<()> {
    check_beside(sandbox, "struct_ops", 12, 5)
}

fn tcx(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "tcx", 13)
}

fn tracing(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "tracing", 7)
}

fn tracing_multi(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, "tracing_multi", 9)
}

fn uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    // As for perf events. The path is looked up name by name as well, in search of symbolic links.
    let names = std::fs::canonicalize(own_code::FILE)?.components().count();
    check(sandbox, "uprobe_multi", 15 + names)
}

fn xdp(sandbox: &Sandbox) -> Result<()> {
    let devices: Vec<Device> = (0..9)
        .map(|number| Device::create(DeviceKind::Veth, &device_name(number)))
        .collect::<Result<_>>()?;
    check(sandbox, "xdp", 15)?;
    devices.into_iter().try_for_each(Device::delete)
}

/// Applies a set of two links on hooks that are taken by programs without a link.
fn waiter(arguments: &[String]) -> Result<()> {
    let directory: PathBuf = arguments.first().context("no path")?.into();
    let mut set = LinkSet::in_dir(directory).create_dir(0o700);
    for number in 0..2 {
        let to = XdpAttach::to(device_name(number));
        set.add(device_name(number), to, Program::passing(Hook::XDP)?)?;
    }
    role::say("ready")?;
    role::listen()?;
    let Err(Error::SetNotApplied(failure)) = set.apply() else {
        bail!("it was not refused");
    };
    ensure!(failure.name == device_name(1), "{failure}");
    Ok(())
}

/// The first hook becomes free while it is waited for, and the second does not: there are no more
/// pauses than one hook gets.
fn hooks_that_are_taken_share_the_time_to_wait(sandbox: &Sandbox) -> Result<()> {
    /// Those that come to a second, the longest of which have ten milliseconds, and some.
    const PAUSES: usize = 115;
    let devices = [
        Device::create(DeviceKind::Veth, &device_name(0))?,
        Device::create(DeviceKind::Veth, &device_name(1))?,
    ];
    let theirs = Program::passing(Hook::XDP)?;
    for device in &devices {
        device::set_xdp(device.index(), Some(theirs.as_fd()), None)?;
    }
    let directory = sandbox.bpffs().join("agent");
    let mut player = role!(waiter).start(&[directory.to_str().context("not UTF-8")?])?;
    ensure!(player.hear()? == "ready");
    let pauses = std::cell::Cell::new(0);
    let pauses_of_the_first = 60;
    player.count_calls(|call| {
        if [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&call) {
            pauses.set(pauses.get() + 1);
            if pauses.get() == pauses_of_the_first {
                // The role is stopped meanwhile.
                return device::set_xdp(devices[0].index(), None, None).is_ok();
            }
        }
        false
    })?;
    ensure!(
        (pauses_of_the_first..=PAUSES).contains(&pauses.get()),
        "{} pauses",
        pauses.get()
    );
    eventually_holds("no link", || Ok(our_links()?.is_empty()))?;
    device::set_xdp(devices[1].index(), None, None)?;
    devices.into_iter().try_for_each(Device::delete)?;
    ensure_nothing_left(sandbox)
}
