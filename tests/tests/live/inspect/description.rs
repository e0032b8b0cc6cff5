//! Links with all that is known of them, as values and as JSON.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{RawLink, SnapshotMethod, Snapshotter};
use bpf_link_tests::{DeviceKind, Hook, Program, Sandbox};
use bpf_link_typed::inspect::{Holders, Inventory, LinkDescription, LinkDevice, Names, Pins};
use bpf_link_typed::{
    CounterEvent, InfoBuf, LinkInfoRef, NetfilterAttach, NetfilterFamily, NetfilterHook,
    PerfEventAttach, SoftwareEvent, TcxAttach, TcxHook,
};
use serde_json::{Value, json};

use crate::fixture::Counted;
use crate::fixture::there::There;
use crate::harness::{Need, Test, test};
use crate::lister::at;
use crate::snapshot::ITERATOR;

pub(crate) const TESTS: &[Test] = &[
    test!(pins_and_holders).alone(),
    test!(a_device_in_another_namespace)
        .needs(ITERATOR)
        .also_needs(&[Need::Device(DeviceKind::Veth)])
        .alone(),
    test!(a_device_is_kept_until_a_refresh).needs(Need::TCX),
    test!(what_only_a_snapshot_tells)
        .needs(ITERATOR)
        .also_needs(Need::NETFILTER)
        .alone(),
    test!(a_clock)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Member("bpf_link_info", "perf_event")]),
];

/// The JSON of a link's description, after `with` has put something into it.
fn described(
    link: &RawLink,
    names: &Names,
    with: impl for<'a> FnOnce(LinkDescription<'a>) -> Result<Value>,
) -> Result<Value> {
    let mut buf = InfoBuf::new();
    with(LinkDescription::new(buf.read(link)?, names))
}

fn json_of(description: LinkDescription<'_>) -> Result<Value> {
    Ok(serde_json::to_value(description)?)
}

/// Both are there only if they were looked for.
fn pins_and_holders(sandbox: &Sandbox) -> Result<()> {
    let (mut counted, id, path) = Counted::pinned(sandbox)?;
    let (names, mut pins, mut holders) = (Names::new(), Pins::new(), Holders::new());
    pins.refresh();
    holders.refresh();
    let plain = described(&counted.link, &names, json_of);
    let whole = described(&counted.link, &names, |link| {
        json_of(link.with_pins(&pins).with_holders(&holders))
    });
    counted.link.unpin()?;
    let (plain, whole) = (plain?, whole?);
    ensure!(plain.get("pinned").is_none() && plain.get("pids").is_none());
    ensure!(
        *at(&plain, "id") == id.get() && *at(&plain, "type") == "xdp",
        "{plain}"
    );
    ensure!(
        *at(&plain, "devname") == "lo" && *at(&plain, "ifindex") == 1,
        "{plain}"
    );
    ensure!(*at(&plain, "defunct") == false, "{plain}");
    ensure!(plain.get("netns_ino").is_none(), "it is here: {plain}");
    ensure!(*at(&whole, "pinned") == json!([path]), "{whole}");
    let held_by = at(&whole, "pids").as_array().context("nobody")?;
    let comm = std::fs::read_to_string("/proc/self/comm")?;
    let own = json!({"pid": std::process::id(), "comm": comm.trim_end()});
    ensure!(held_by.contains(&own), "{whole}");
    Ok(())
}

/// The name is that of the device there, and the namespace is told.
fn a_device_in_another_namespace(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    there.mount()?;
    let link = there.xdp(&Program::passing(Hook::XDP)?)?;
    let described = described(link.as_raw(), &Names::new(), json_of);
    there.unmount()?;
    let (described, device) = (described?, there.device(None)?);
    let LinkDevice::Elsewhere { index, netns, .. } = device else {
        anyhow::bail!("{device:?}");
    };
    ensure!(*at(&described, "devname") == "there", "{described}");
    ensure!(*at(&described, "ifindex") == index, "{described}");
    ensure!(*at(&described, "netns_ino") == netns, "{described}");
    let file = there.file.to_str().context("text")?;
    ensure!(*at(&described, "netns_path") == file, "{described}");
    Ok(())
}

/// The hook is asked about the link once, however often the device is: the link is gone by then.
fn a_device_is_kept_until_a_refresh(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let link = TcxAttach::to("lo", TcxHook::Ingress).attach(&program)?;
    let info = LinkInfoRef::Tcx(link.info()?);
    let mut names = Names::with(Snapshotter::load_at_most(SnapshotMethod::Walk)?);
    let first = names.device(&info);
    ensure!(
        matches!(first, Some(LinkDevice::Here { index: 1, .. })),
        "{first:?}"
    );
    link.detach()?;
    let second = names.device(&info);
    ensure!(second == first, "{second:?}");
    names.refresh();
    let third = names.device(&info);
    ensure!(third == Some(LinkDevice::Unknown { index: 1 }), "{third:?}");
    Ok(())
}

fn what_only_a_snapshot_tells(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -7);
    let link = to.attach(&program)?;
    link.detach()?;
    let snapshotter = Snapshotter::load()?;
    let mut buf = vec![0; Snapshotter::BUFFER];
    let id = link.id()?;
    let mut entries = snapshotter.read(&mut buf)?.filter_map(Result::ok);
    let entry = entries.find(|entry| entry.id() == id).context("not met")?;
    let names = Names::new();
    let plain = described(link.as_raw(), &names, json_of)?;
    ensure!(plain.get("defunct").is_none(), "{plain}");
    let mut inventory = Inventory::load()?;
    inventory.refresh()?;
    let kept = inventory.get(id).context("not in the inventory")?;
    let kept = json_of(kept.describe(&names).context("no info")?)?;
    ensure!(*at(&plain, "pf_name") == "ip" && *at(&plain, "hook_name") == "input");
    let whole = described(link.as_raw(), &names, |link| {
        ensure!(link.with_snapshot(&entry).is_defunct() == Some(true));
        json_of(link.with_snapshot(&entry))
    })?;
    ensure!(*at(&whole, "defunct") == true, "{whole}");
    ensure!(kept == whole, "{kept} and not {whole}");
    Ok(())
}

/// bpftool has only the number that the kernel reports; the name comes after its keys.
fn a_clock(_sandbox: &Sandbox) -> Result<()> {
    let event = CounterEvent::with_period(SoftwareEvent::CpuClock, 1_000_000).processor(0);
    let link = PerfEventAttach::to(event).attach(&Program::passing(Hook::PERF_EVENT)?)?;
    let clock = described(link.as_raw(), &Names::new(), json_of)?;
    ensure!(at(&clock, "event_type").is_number(), "{clock}");
    ensure!(*at(&clock, "event_config") == 0, "{clock}");
    ensure!(*at(&clock, "event_source") == "software", "{clock}");
    ensure!(*at(&clock, "event_name") == "cpu-clock", "{clock}");
    Ok(())
}
