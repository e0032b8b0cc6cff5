//! An old agent that stops does not harm its successor.

use std::path::Path;
use std::sync::Barrier;

use anyhow::{Context as _, Result, ensure};
use bpf_link::temporary_pin;
use bpf_link_tests::{
    CongestionControl, Device, DeviceKind, Hook, Loader, Map, Program, Sandbox, in_form, names,
    pins,
};
use bpf_link_typed::{
    Attach, AttachProgram, CgroupAttach, CgroupHook, Ensure, Ensured, IterAttach, Link, LinkInfo,
    MapId, NetfilterAttach, NetfilterFamily, NetfilterHook, NetkitAttach, NetkitHook, NetnsAttach,
    NetnsHook, ProgramId, RawTracepointAttach, SockmapAttach, SockmapHook, StructOpsAttach,
    TcxAttach, TcxHook, XdpAttach,
    ensure::{Attached, Ours, Outcome, Standing, Stopped},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::harness::{Need, Test, test};

/// How often one agent stops while another starts.
const ROUNDS: u32 = 100;

/// The same at full length.
const LONG: u32 = 1_000;

pub(crate) const TESTS: &[Test] = &[
    test!(after_a_successor),
    test!(after_the_same_program),
    test!(at_the_same_moment).minutes(10),
    test!(at_the_same_moment_by_a_command).minutes(10),
    test!(at_the_same_moment_on_a_netfilter_hook)
        .needs(Need::NETFILTER)
        .minutes(10),
    test!(at_the_same_moment_on_a_netkit_device)
        .needs(Need::NETKIT)
        .minutes(10),
    test!(at_the_same_moment_on_a_sockmap)
        .needs(Need::SOCKMAP)
        .minutes(10),
    test!(at_the_same_moment_on_a_tcx_hook)
        .needs(Need::TCX)
        .minutes(10),
    test!(at_the_same_moment_with_callbacks)
        .needs(Need::STRUCT_OPS)
        .minutes(10),
    test!(by_what_is_known_of_the_program),
    test!(what_a_killed_run_left),
    test!(what_is_ours_goes),
    test!(without_the_pin),
];

fn program_of(program: &Program) -> Result<Attached> {
    let id = ProgramId::new(program.id()?).context("it has an id")?;
    Ok(Attached::Program(id))
}

fn runs_at(path: &Path) -> Result<Option<Attached>> {
    let info = Link::from_pinned(path)?.info()?;
    ensure!(info.is_defunct() != Some(true), "{info:?}");
    Ok(match info {
        LinkInfo::StructOps(info) => info.map_id.map(Attached::Map),
        info => info.program_id().map(Attached::Program),
    })
}

fn what_is_ours_goes(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    let path = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress).ensure_pinned(&path);
    let ensured = to.run(&program)?;
    ensure!(ensured.is_ours()?);
    let other = Link::from_pinned(&path)?;
    ensure!(ensured.stop()? == Stopped::LetGo);
    // At once, although somebody else holds it.
    ensure!(other.info()?.is_defunct() == Some(true) && !path.exists());
    drop(other);
    ensure_nothing_left(sandbox)
}

/// The link is the same, and so was its id; but the program on it is the successor's.
fn after_a_successor(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let [first, second] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let old = to.run(&first)?;
    let new = to.run(&second)?;
    let link = new.link.id()?;
    ensure!(old.link.id()? == link);
    let overtaken = Standing::Overtaken {
        link,
        by: Some(program_of(&second)?),
    };
    ensure!(!old.is_ours()? && old.standing()? == overtaken);
    ensure!(old.stop()? == Stopped::Left(overtaken));
    ensure!(new.is_ours()? && runs_at(&path)? == Some(program_of(&second)?));
    ensure_one_link_and_pin(sandbox, &path)?;
    ensure!(new.stop()? == Stopped::LetGo);
    ensure_nothing_left(sandbox)
}

/// Both run one program: the pin tells whose it is.
fn after_the_same_program(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let old = to.run(&program)?;
    let new = to.run(&program)?;
    ensure!(new.outcome == Outcome::AlreadyRunning && new.link.id()? == old.link.id()?);
    let anew = Standing::PinnedAnew {
        attached: program_of(&program)?,
    };
    ensure!(!old.is_ours()? && old.stop()? == Stopped::Left(anew));
    ensure!(new.is_ours()? && runs_at(&path)? == Some(program_of(&program)?));
    ensure_one_link_and_pin(sandbox, &path)?;
    ensure!(new.stop()? == Stopped::LetGo);
    ensure_nothing_left(sandbox)
}

/// What is at the path is not touched.
fn without_the_pin(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let path = directory.join("pin");
    let program = Program::passing(Hook::XDP)?;
    let to = XdpAttach::to("lo")
        .ensure_pinned(&path)
        .create_parents(0o700);

    let ensured = to.run(&program)?;
    std::fs::remove_file(&path)?;
    ensure!(ensured.stop()? == Stopped::Left(Standing::NotPinned));
    ensure_nothing_left(sandbox)?;

    let ensured = to.run(&program)?;
    std::fs::remove_file(&path)?;
    std::fs::remove_dir(&directory)?;
    ensure!(ensured.stop()? == Stopped::Left(Standing::NotPinned));
    ensure_nothing_left(sandbox)?;

    let ensured = to.run(&program)?;
    std::fs::remove_file(&path)?;
    pins::pin(&Map::array(4, 1)?, &path)?;
    ensure!(ensured.stop()? == Stopped::Left(Standing::NotSuchALink));
    ensure!(pins::open(&path).is_ok());
    std::fs::remove_file(&path)?;
    ensure_nothing_left(sandbox)
}

/// A process that has not made the link.
fn by_what_is_known_of_the_program(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let name = std::ffi::CString::new(names::object_name("prog"))?;
    let (ours, theirs) = (Ours::by_name(&name), Ours::by_name(c"another"));
    ensure!(Link::stop(&path, &ours)? == Stopped::Left(Standing::NotPinned));
    let missing = sandbox.bpffs().join("missing/pin");
    ensure!(Link::stop(&missing, &ours)? == Stopped::Left(Standing::NotPinned));
    let ensured = XdpAttach::to("lo").ensure_pinned(&path).run(&program)?;
    let overtaken = Standing::Overtaken {
        link: ensured.link.id()?,
        by: Some(program_of(&program)?),
    };
    ensure!(Link::stop(&path, &theirs)? == Stopped::Left(overtaken));
    ensure!(ensured.is_ours()?);
    ensure!(Link::stop(&path, &ours)? == Stopped::LetGo);
    ensure!(ensured.link.info()?.is_defunct() == Some(true));
    drop(ensured);
    pins::pin(&Map::array(4, 1)?, &path)?;
    ensure!(Link::stop(&path, &ours)? == Stopped::Left(Standing::NotSuchALink));
    std::fs::remove_file(&path)?;
    ensure_nothing_left(sandbox)
}

/// A run was killed when it had pinned its link beside the path.
fn what_a_killed_run_left(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::XDP)?;
    let name = std::ffi::CString::new(program.name()?)?;
    XdpAttach::to("lo")
        .attach(&program)?
        .pin(temporary_pin(&pin))?;
    let stopped = Link::stop(&pin, &Ours::by_name(c"another"))?;
    ensure!(stopped == Stopped::Left(Standing::NotPinned), "{stopped}");
    ensure!(sandbox.pinned()?.len() == 1);
    let stopped = Link::stop(&pin, &Ours::by_name(&name))?;
    ensure!(stopped == Stopped::LetGo, "{stopped}");
    ensure_nothing_left(sandbox)
}

/// [`rounds_of`] two programs.
fn rounds<A>(sandbox: &Sandbox, to: A, load: impl Fn() -> Result<Program>) -> Result<()>
where
    A: AttachProgram<Link: Into<Link> + Send> + Sync,
{
    let path = sandbox.bpffs().join("pin");
    let to: Ensure<A> = to.ensure_pinned(&path);
    let programs = [load()?, load()?];
    rounds_of::<A, _>(sandbox, &path, &programs, program_of, |program| {
        to.run(program)
    })
}

/// One agent stops while the next starts: what the next one attaches is attached and pinned at the
/// end of each round.
fn rounds_of<A, O>(
    sandbox: &Sandbox,
    path: &Path,
    objects: &[O; 2],
    attached: impl Fn(&O) -> Result<Attached>,
    run: impl Fn(&O) -> bpf_link_typed::Result<Ensured<A::Link>>,
) -> Result<()>
where
    A: Attach<Link: Send>,
{
    // One after the other, and now and then after itself.
    let mut turns = objects.iter().chain(&objects[..1]).cycle();
    let mut next = || turns.next().context("there is always another");
    let mut old = run(next()?)?;
    for round in 0..in_form(ROUNDS, LONG) {
        let object = next()?;
        let together = Barrier::new(2);
        let (stopped, new) = std::thread::scope(|scope| {
            let stopping = scope.spawn(|| {
                together.wait();
                old.stop()
            });
            together.wait();
            let new = run(object);
            (stopping.join(), new)
        });
        let stopped = stopped.map_err(|_| anyhow::anyhow!("it panicked"))??;
        let new = new?;
        let said = format!("round {round}: {stopped}; then {}", new.outcome);
        ensure!(new.is_ours()?, said);
        ensure!(runs_at(path)? == Some(attached(object)?), said);
        old = new;
    }
    ensure_one_link_and_pin(sandbox, path)?;
    ensure!(old.stop()? == Stopped::LetGo);
    ensure_nothing_left(sandbox)
}

/// What stops is a process of its own, which knows the old program's name.
fn at_the_same_moment_by_a_command(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let to = XdpAttach::to("lo").ensure_pinned(&path);
    let load = |name| Loader::new(Hook::XDP).named(name).passing();
    let programs = [load("one")?, load("two")?];
    to.run(&programs[0])?;
    let mut turns = programs.iter().cycle();
    let mut old = turns.next().context("there is always another")?;
    for round in 0..in_form(ROUNDS, LONG) {
        let program = turns.next().context("there is always another")?;
        let ours = Ours::by_name(&std::ffi::CString::new(old.name()?)?);
        let together = Barrier::new(2);
        let (stopped, new) = std::thread::scope(|scope| {
            let stopping = scope.spawn(|| {
                together.wait();
                Link::stop(&path, &ours)
            });
            together.wait();
            let new = to.run(program);
            (stopping.join(), new)
        });
        let stopped = stopped.map_err(|_| anyhow::anyhow!("it panicked"))??;
        let new = new?;
        let said = format!("round {round}: {stopped}; then {}", new.outcome);
        ensure!(new.is_ours()?, said);
        ensure!(runs_at(&path)? == Some(program_of(program)?), said);
        old = program;
    }
    ensure_one_link_and_pin(sandbox, &path)?;
    let ours = Ours::by_name(&std::ffi::CString::new(old.name()?)?);
    ensure!(Link::stop(&path, &ours)? == Stopped::LetGo);
    ensure_nothing_left(sandbox)
}

fn at_the_same_moment(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("agent")?;
    rounds(
        sandbox,
        CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress),
        || Program::passing(Hook::CGROUP_EGRESS),
    )
    .context("cgroup")?;
    rounds(sandbox, XdpAttach::to("lo"), || Program::passing(Hook::XDP)).context("xdp")?;
    let netns = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
    rounds(sandbox, netns, || Program::passing(Hook::SK_LOOKUP)).context("netns")?;
    let map = Map::array(4, 3)?;
    rounds(sandbox, IterAttach::over_map(&map), || {
        Loader::new(Hook::ITERATOR)
            .function("bpf_iter_bpf_map_elem")?
            .passing()
    })
    .context("iter")?;
    rounds(sandbox, RawTracepointAttach::to(c"sys_enter"), || {
        Program::passing(Hook::RAW_TRACEPOINT)
    })
    .context("raw_tracepoint")
}

fn at_the_same_moment_with_callbacks(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let name = names::object_name("cc");
    let controls = [
        CongestionControl::new(&name)?,
        CongestionControl::new(&name)?,
    ];
    let map_of = |map: &CongestionControl| {
        let id = MapId::new(map.id()?).context("it has an id")?;
        Ok(Attached::Map(id))
    };
    rounds_of::<StructOpsAttach<'_>, _>(sandbox, &path, &controls, map_of, |map| {
        StructOpsAttach::of(map).ensure_pinned(&path).run()
    })
}

fn at_the_same_moment_on_a_netkit_device(sandbox: &Sandbox) -> Result<()> {
    let _device = Device::create(DeviceKind::Netkit, "kit")?;
    let to = NetkitAttach::to("kit", NetkitHook::Primary);
    rounds(sandbox, to, || Program::passing(Hook::NETKIT_PRIMARY))
}

fn at_the_same_moment_on_a_netfilter_hook(sandbox: &Sandbox) -> Result<()> {
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 79);
    rounds(sandbox, to, || Program::passing(Hook::NETFILTER))
}

fn at_the_same_moment_on_a_sockmap(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let to = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    rounds(sandbox, to, || Program::passing(Hook::SK_MSG_VERDICT))
}

fn at_the_same_moment_on_a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    rounds(sandbox, to, || Program::passing(Hook::TCX_INGRESS))
}
