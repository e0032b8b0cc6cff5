//! Hooks whose last pin or descriptor went a moment ago: the kernel takes the program off later.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{CongestionControl, CounterMap, Hook, Program, Sandbox, device, names};
use bpf_link_typed::{
    Attach as _, AttachProgram, Error, HolderLink, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, StructOpsAttach, TcxAttach, TcxHook, XdpAttach,
    ensure::Outcome,
};

use crate::ensure::end::ensure_nothing_left;
use crate::ensure::others::without_sys_admin;
use crate::fixture::LOOPBACK;
use crate::harness::{Need, Test, test};

/// How often the pin is removed: whether the kernel is still at it is a matter of luck.
const ROUNDS: u32 = 10;

pub(crate) const TESTS: &[Test] = &[
    test!(a_device).alone(),
    test!(a_flow_dissector).alone(),
    test!(a_netfilter_priority).needs(Need::NETFILTER),
    test!(a_tcx_hook_with_the_same_program).needs(Need::TCX),
    test!(a_name_of_struct_ops).needs(Need::STRUCT_OPS),
    test!(what_is_taken_without_a_link).alone(),
    test!(what_somebody_holds).alone(),
    test!(without_the_privilege_to_search),
];

fn pin(sandbox: &Sandbox) -> PathBuf {
    sandbox.bpffs().join("pin")
}

/// Makes the link, removes its pin, and makes it again at once; then the same in a set.
fn again<A>(pin: &Path, to: &A, program: &Program) -> Result<()>
where
    A: AttachProgram + Send + Sync,
{
    let by_itself = to.clone().ensure_pinned(pin);
    again_by(pin, || Ok(by_itself.run(program)?.outcome))?;
    let directory = pin.with_file_name("agent");
    std::fs::create_dir(&directory)?;
    let mut set = LinkSet::in_dir(&directory);
    let name = "pin";
    set.add(name, to.clone(), program)?;
    again_by(&directory.join(name), || outcome_of(&set))?;
    Ok(std::fs::remove_dir(directory)?)
}

/// The only outcome of this set.
fn outcome_of(set: &LinkSet<'_>) -> Result<Outcome> {
    let applied = set.apply()?;
    let link = applied.report().links.first().context("it has a link")?;
    Ok(link.outcome)
}

fn again_by(pin: &Path, run: impl Fn() -> Result<Outcome>) -> Result<()> {
    for round in 0..ROUNDS {
        run()?;
        std::fs::remove_file(pin)?;
        let outcome = run().with_context(|| format!("round {round}"))?;
        ensure!(outcome == Outcome::Created, "{outcome:?}");
        std::fs::remove_file(pin)?;
    }
    Ok(())
}

fn a_device(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    again(&pin(sandbox), &XdpAttach::to("lo"), &program)?;
    ensure_nothing_left(sandbox)
}

fn a_flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::FLOW_DISSECTOR)?;
    let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::FlowDissector);
    again(&pin(sandbox), &to, &program)?;
    ensure_nothing_left(sandbox)
}

fn a_netfilter_priority(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, 7);
    again(&pin(sandbox), &to, &program)?;
    ensure_nothing_left(sandbox)
}

fn a_tcx_hook_with_the_same_program(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    again(
        &pin(sandbox),
        &TcxAttach::to("lo", TcxHook::Ingress),
        &program,
    )?;
    ensure_nothing_left(sandbox)
}

fn a_name_of_struct_ops(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let counter = CounterMap::new()?;
    let control = CongestionControl::counting(&names::object_name("cc"), &counter)?;
    let map = OwnedFd::from(control);
    let to = StructOpsAttach::of(&map).ensure_pinned(&pin);
    again_by(&pin, || Ok(to.run()?.outcome))?;
    let directory = sandbox.bpffs().join("agent");
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    set.add_struct_ops("pin", &map)?;
    again_by(&directory.join("pin"), || outcome_of(&set))?;
    ensure_nothing_left(sandbox)
}

/// Then it cannot be told whether somebody has the hook.
fn without_the_privilege_to_search(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let pin = pin(sandbox);
    without_sys_admin(|| again(&pin, &XdpAttach::to("lo"), &program))?;
    ensure_nothing_left(sandbox)
}

/// Holds that a run on `lo` is refused, and that the error names this link.
fn ensure_taken_by(sandbox: &Sandbox, link: HolderLink) -> Result<()> {
    let to = XdpAttach::to("lo").ensure_pinned(pin(sandbox));
    let refused = to.run(&Program::passing(Hook::XDP)?);
    let Err(Error::HookTaken { holders, .. }) = &refused else {
        anyhow::bail!("{refused:?}");
    };
    let links: Vec<HolderLink> = holders.iter().map(|holder| holder.link).collect();
    ensure!(links == [link], "{refused:?}");
    ensure!(sandbox.pinned()?.is_empty());
    Ok(())
}

fn what_somebody_holds(sandbox: &Sandbox) -> Result<()> {
    let held = XdpAttach::to("lo").attach(&Program::passing(Hook::XDP)?)?;
    ensure_taken_by(sandbox, HolderLink::Link(held.id()?))?;
    drop(held);
    ensure_nothing_left(sandbox)
}

fn what_is_taken_without_a_link(sandbox: &Sandbox) -> Result<()> {
    let theirs = Program::passing(Hook::XDP)?;
    device::set_xdp(LOOPBACK, Some(theirs.as_fd()), None)?;
    ensure_taken_by(sandbox, HolderLink::WithoutLink)?;
    device::set_xdp(LOOPBACK, None, None)?;
    ensure_nothing_left(sandbox)
}
