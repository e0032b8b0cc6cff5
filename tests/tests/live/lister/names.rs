//! The names that `bpf-links` has for the ids and indices in links.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, BtfTypeId, KprobeMultiArgs, LinkCreate, MprogArgs, RawLink, RawTracepointOpen,
    SnapshotMethod, Snapshotter, TracingMultiArgs, XdpFlags,
};
use bpf_link_tests::{
    CounterMap, Device, DeviceKind, Hook, KernelBtf, Loader, Map, Netns, Program, Replaceable,
    Sandbox, described_as, device, iterator, names,
};
use serde_json::{Value, json};

use crate::fixture::there::There;
use crate::fixture::{LOOPBACK, text};
use crate::functions::kernel::{SYMBOLS, address_of, with_hidden_addresses};
use crate::harness::{Need, Test, test};
use crate::lister::{LISTER, at, list, run, show};
use crate::snapshot::ITERATOR;

pub(crate) const TESTS: &[Test] = &[
    test!(names_that_are_not_text).needs(LISTER),
    test!(programs_and_maps).needs(LISTER),
    test!(names_that_the_kernel_cuts).needs(LISTER).alone(),
    test!(xdp_devices).needs(LISTER).alone(),
    test!(devices_in_other_namespaces)
        .needs(LISTER)
        .also_needs(ITERATOR)
        .also_needs(&[Need::Device(DeviceKind::Veth)])
        .alone(),
    test!(tcx_devices).needs(LISTER).also_needs(Need::TCX),
    test!(netkit_devices).needs(LISTER).also_needs(Need::NETKIT),
    test!(traced_functions)
        .needs(LISTER)
        .also_needs(Need::TRACING)
        .also_needs(&[Need::Member("bpf_prog_info", "attach_btf_obj_id")]),
    test!(traced_functions_of_a_multi_link)
        .needs(LISTER)
        .also_needs(Need::TRACING_MULTI)
        .also_needs(&[Need::Member("bpf_link_info", "tracing_multi")]),
    test!(probed_functions)
        .needs(LISTER)
        .also_needs(Need::KPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 6)]),
    test!(hidden_functions)
        .needs(LISTER)
        .also_needs(Need::KPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 6)])
        .alone(),
];

/// A byte that is not UTF-8, and a character that turns the direction of the text around.
const ODD: &[u8] = b"odd\xff\xe2\x80\xae";

fn names_that_are_not_text(sandbox: &Sandbox) -> Result<()> {
    let above = sandbox.new_cgroup("above")?;
    let (path, pin) = (
        above.path().join(OsStr::from_bytes(ODD)),
        sandbox.bpffs().join(OsStr::from_bytes(ODD)),
    );
    std::fs::create_dir(&path)?;
    let cgroup = File::open(&path)?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let mut link = RawLink::create(&request.target_fd(&cgroup))?;
    link.pin(&pin)?;

    let id = link.id()?;
    let written = run(&["show", &id.to_string(), "--json", "--pins"])?.well()?;
    ensure!(!written.contains('\u{202e}'), "{written}");
    ensure!(written.contains(r"\u202e"), "{written}");
    let shown = show(id, &["--pins"])?;
    let bytes = |path: &Path| -> String {
        let bytes = path.as_os_str().as_bytes().iter();
        let digits: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    };
    ensure!(
        *at(&shown, "cgroup_path") == *path.to_string_lossy(),
        "{shown}"
    );
    ensure!(*at(&shown, "cgroup_path_bytes") == bytes(&path), "{shown}");
    ensure!(*at(&shown, "pinned") == json!([pin.to_string_lossy()]));
    ensure!(*at(&shown, "pinned_bytes") == json!([bytes(&pin)]));
    // What is text has one key.
    ensure!(at(&shown, "prog_name").is_string(), "{shown}");
    ensure!(shown.get("prog_name_bytes").is_none(), "{shown}");

    let table = run(&["list", "--kind", "cgroup", "--pins"])?.well()?;
    ensure!(!table.contains('\u{202e}'), "{table}");
    ensure!(table.matches(r"\u{202e}").count() == 2, "{table}");

    link.unpin()?;
    drop((link, cgroup));
    Ok(std::fs::remove_dir(&path)?)
}

fn programs_and_maps(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::hash(4, 8, 3)?;
    let program = iterator("bpf_map_elem", *b"element\n")?;
    let request = LinkCreate::new(&program, AttachType::TraceIter);
    let link = RawLink::create(&request.args(bpf_link::IterArgs::map(&map)))?;
    let shown = show(link.id()?, &[])?;
    let info = bpf_link::ProgramInfo::of(&program)?;
    ensure!(*at(&shown, "prog_name") == program.name()?, "{shown}");
    ensure!(*at(&shown, "prog_tag") == info.tag.to_string(), "{shown}");
    let map = bpf_link::MapInfo::of(&map)?;
    ensure!(*at(&shown, "map_id") == u32::from(map.id), "{shown}");
    ensure!(*at(&shown, "map_name") == map.name.to_str()?, "{shown}");
    Ok(())
}

/// The kernel keeps 15 bytes of a name, and the program's BTF has all of it.
fn names_that_the_kernel_cuts(_sandbox: &Sandbox) -> Result<()> {
    let program = described_as("drop_martians_of_every_tenant")?;
    let link = on_xdp(&program)?;
    let info = bpf_link::ProgramInfo::of(&program)?;
    ensure!(info.name.as_bytes().len() == 15, "{info:?}");
    let whole = format!("{}drop_martians_of_every_tenant", names::prefix());
    ensure!(info.whole_name()?.to_str()? == whole);
    ensure!(*at(&show(link.id()?, &[])?, "prog_name") == whole);
    let table = run(&["list", "--kind", "xdp"])?.well()?;
    ensure!(table.contains(&format!(" {whole} ")), "{table}");
    for name in [&*whole, info.name.to_str()?] {
        let listed = list(&["--prog", name])?;
        ensure!(
            listed
                .iter()
                .any(|listed| *at(listed, "id") == link.id().map_or(0, u32::from))
        );
    }
    ensure!(list(&["--prog", &format!("{whole}s")])?.is_empty());
    // Short names, and names of programs without BTF, are the kernel's.
    let plain = Program::passing(Hook::XDP)?;
    let info = bpf_link::ProgramInfo::of(&plain)?;
    ensure!(info.whole_name()? == info.name);
    Ok(())
}

fn devname(link: &RawLink) -> Result<Value> {
    Ok(at(&show(link.id()?, &[])?, "devname").clone())
}

fn on_xdp(program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::Xdp).target_ifindex(LOOPBACK);
    Ok(RawLink::create(&request.xdp_flags(XdpFlags::SKB_MODE))?)
}

fn xdp_devices(_sandbox: &Sandbox) -> Result<()> {
    let (here, there) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let netns = Netns::create()?;
    let there = netns.inside(|| on_xdp(&there))?;
    // A device of the same index is here, and has no program.
    ensure!(devname(&there)? == "(unknown)");
    // Or another one.
    let link = on_xdp(&here)?;
    ensure!(devname(&there)? == "(unknown)");
    ensure!(devname(&link)? == "lo");
    // Or the same one, and then only a snapshot tells the two apart.
    drop(there);
    let there = netns.inside(|| on_xdp(&here))?;
    let has_snapshots = Snapshotter::load()?.method() <= SnapshotMethod::ProbeRead;
    for (link, name) in [(&link, "lo"), (&there, "(unknown)")] {
        let shown = show(link.id()?, &[])?;
        let expected = if has_snapshots { name } else { "(unknown)" };
        ensure!(*at(&shown, "devname") == expected, "{shown}");
        ensure!(*at(&shown, "ifindex") == LOOPBACK, "{shown}");
    }
    drop(there);
    ensure!(devname(&link)? == "lo");
    Ok(())
}

/// They are shown with their namespace, and found by it.
fn devices_in_other_namespaces(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    there.mount()?;
    let link = there.xdp(&Program::passing(Hook::XDP)?)?;
    let (id, file) = (link.id()?, text(&there.file)?);
    let shown = show(id, &[])?;
    let table = run(&["list", "--kind", "xdp"])?.well()?;
    let is_listed = |more: &[&str]| -> Result<bool> {
        let listed = list(more)?;
        Ok(listed.iter().any(|link| *at(link, "id") == id.get()))
    };
    let by_netns = is_listed(&["--netns", file])?;
    let by_both = is_listed(&["--netns", file, "--dev", "there"])?;
    let by_others = [
        is_listed(&["--dev", "there"])?,
        is_listed(&["--netns", "/proc/self/ns/net"])?,
        is_listed(&["--netns", file, "--dev", "lo"])?,
    ];
    there.unmount()?;
    ensure!(*at(&shown, "devname") == "there", "{shown}");
    ensure!(*at(&shown, "netns_ino") == there.netns.inode()?, "{shown}");
    ensure!(*at(&shown, "netns_path") == file, "{shown}");
    let index = at(&shown, "ifindex");
    let words = format!("there ({index}) in {file}");
    ensure!(table.contains(&words), "{table}");
    ensure!(by_netns && by_both && by_others == [false; 3]);
    Ok(())
}

fn tcx_devices(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let request = LinkCreate::new(&program, AttachType::TcxIngress)
        .target_ifindex(LOOPBACK)
        .args(MprogArgs::new());
    let here = RawLink::create(&request)?;
    let there = Netns::create()?.inside(|| Ok(RawLink::create(&request)?))?;
    ensure!(devname(&here)? == "lo");
    // The namespace has gone with its devices, as nothing holds it.
    bpf_link_tests::eventually_holds("the device has gone", || {
        Ok(devname(&there)? == "(detached)")
    })?;
    let netns = Netns::create()?;
    let there = netns.inside(|| Ok(RawLink::create(&request)?))?;
    ensure!(devname(&there)? == "(unknown)");
    drop(there);
    Ok(())
}

fn netkit_devices(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Netkit, "named")?;
    let attach = |hook: Hook| -> Result<_> {
        let program = Program::passing(hook)?;
        let attach_type = AttachType::from_raw(hook.attach_type);
        let request = LinkCreate::new(&program, attach_type).target_ifindex(device.index());
        Ok(RawLink::create(&request)?)
    };
    let (primary, peer) = (attach(Hook::NETKIT_PRIMARY)?, attach(Hook::NETKIT_PEER)?);
    ensure!(devname(&primary)? == "named");
    ensure!(devname(&peer)? == device::peer_name("named"));
    let shown = show(peer.id()?, &[])?;
    let index = device::index_of(&device::peer_name("named"))?;
    ensure!(*at(&shown, "ifindex") == index, "{shown}");
    Ok(())
}

fn traced_functions(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .passing()?;
    let link = RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(&program))?;
    let shown = show(link.id()?, &[])?;
    ensure!(*at(&shown, "func") == "bpf_fentry_test1", "{shown}");
    ensure!(shown.get("module") == Some(&Value::Null), "{shown}");
    ensure!(*at(&shown, "prog_type") == "tracing", "{shown}");

    // A function of a program, of which the kernel gives the id in the same place.
    let traced = Replaceable::new(&CounterMap::new()?)?;
    let program = traced.tracer(Hook::FENTRY).returning(0)?;
    let link = RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(&program))?;
    let shown = show(link.id()?, &[])?;
    let traced = bpf_link::ProgramInfo::of(&traced)?;
    ensure!(
        *at(&shown, "target_obj_id") == u32::from(traced.id),
        "{shown}"
    );
    ensure!(
        *at(&shown, "target_prog_name") == traced.name.to_str()?,
        "{shown}"
    );
    ensure!(at(&shown, "func").is_string(), "{shown}");
    ensure!(shown.get("module").is_none(), "{shown}");
    let id = link.id()?;
    let table = run(&["list", "--kind", "tracing"])?.well()?;
    let row = table
        .lines()
        .find(|line| line.trim_start().starts_with(&format!("{id} ")));
    let name = traced.name.to_str()?;
    ensure!(row.is_some_and(|row| row.contains(name)), "{table}");
    Ok(())
}

fn traced_functions_of_a_multi_link(_sandbox: &Sandbox) -> Result<()> {
    const FUNCTIONS: [&str; 2] = ["bpf_fentry_test1", "bpf_fentry_test2"];
    let ids = FUNCTIONS.map(|name| {
        let id = KernelBtf::get()?.function(name)?;
        id.and_then(BtfTypeId::new).context("no such function")
    });
    let ids = ids.into_iter().collect::<Result<Vec<_>>>()?;
    let program = Program::passing(Hook::FENTRY_MULTI)?;
    let request = LinkCreate::new(&program, AttachType::TraceFentryMulti);
    let link = RawLink::create(&request.args(TracingMultiArgs::new(&ids)))?;
    let shown = show(link.id()?, &[])?;
    let functions = at(&shown, "funcs").as_array().context("no functions")?;
    ensure!(functions.len() == FUNCTIONS.len(), "{shown}");
    for (name, id) in FUNCTIONS.into_iter().zip(ids) {
        let mut functions = functions.iter();
        let function = functions.find(|function| *at(function, "func") == name);
        let function = function.with_context(|| format!("{name}: {shown}"))?;
        ensure!(*at(function, "id") == u32::from(id), "{function}");
        ensure!(function.get("module") == Some(&Value::Null), "{function}");
        // The place that is patched may be after an instruction that jumps have to land on.
        let (start, found) = (address_of(&CString::new(name)?)?, at(function, "addr"));
        ensure!(*found == start || *found == start + 4, "{function}");
    }
    let table = run(&["list", "--kind", "tracing_multi"])?.well()?;
    ensure!(table.contains(FUNCTIONS[0]), "{table}");
    Ok(())
}

fn on_functions(program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::TraceKprobeMulti)
        .args(KprobeMultiArgs::symbols(&SYMBOLS));
    Ok(RawLink::create(&request)?)
}

fn probed_functions(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let link = on_functions(&program)?;
    let shown = show(link.id()?, &[])?;
    let functions = at(&shown, "funcs").as_array().context("no functions")?;
    ensure!(functions.len() == SYMBOLS.len(), "{shown}");
    let addresses = functions
        .iter()
        .map(|function| at(function, "addr").as_u64());
    ensure!(addresses.is_sorted(), "{shown}");
    for symbol in SYMBOLS {
        let address = address_of(symbol)?;
        let function = functions
            .iter()
            .find(|function| *at(function, "addr") == address);
        let function = function.with_context(|| format!("{symbol:?}: {shown}"))?;
        // The function may have another name besides.
        let name = at(function, "func").as_str().context("no name")?;
        ensure!(address_of(&CString::new(name)?)? == address, "{function}");
        ensure!(function.get("module") == Some(&Value::Null), "{function}");
    }
    let table = run(&["list", "--kind", "kprobe_multi"])?.well()?;
    ensure!(table.contains("3 functions: "), "{table}");
    let first = functions.first().map(|function| at(function, "func"));
    let first = first.and_then(Value::as_str).context("no name")?;
    ensure!(table.contains(first), "{table}");
    Ok(())
}

fn hidden_functions(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let link = on_functions(&program)?;
    let id = link.id()?;
    let shown = with_hidden_addresses(|| show(id, &[]))?;
    let functions = at(&shown, "funcs").as_array().context("no functions")?;
    // Each is there, without what cannot be seen.
    ensure!(functions.len() == SYMBOLS.len(), "{shown}");
    for function in functions {
        ensure!(function.get("addr").is_none(), "{function}");
        ensure!(function.get("func") == Some(&Value::Null), "{function}");
    }
    let listed = with_hidden_addresses(|| list(&["--kind", "kprobe_multi"]))?;
    ensure!(listed.iter().any(|link| *at(link, "id") == id.get()));
    let table = with_hidden_addresses(|| run(&["list", "--kind", "kprobe_multi"])?.well())?;
    ensure!(table.contains("3 functions"), "{table}");
    Ok(())
}
