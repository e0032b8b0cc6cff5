//! What the things are called that links are attached to.

use std::ffi::CStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{SnapshotMethod, Snapshotter};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol};
use bpf_link_tests::{DeviceKind, Hook, Map, Program, Sandbox, described_as, names};
use bpf_link_typed::attach::When;
use bpf_link_typed::inspect::{LinkDevice, NameNote, Names, NamesOf};
use bpf_link_typed::{
    Binary, CounterEvent, LinkInfo, PerfCounter, PerfEventAttach, PerfEventDetails, ProgramId,
    SoftwareEvent, TcxAttach, TcxHook, TcxLink, UprobeMultiAttach, XdpLink,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fixture::as_nobody;
use crate::fixture::there::{NAME, There, elsewhere, inhabit, on_xdp};
use crate::harness::{Need, Test, test};
use crate::snapshot::ITERATOR;

pub(crate) const TESTS: &[Test] = &[
    test!(programs_and_maps),
    test!(xdp_devices_by_snapshots)
        .needs(ITERATOR)
        .also_needs(VETH)
        .alone(),
    test!(xdp_devices_without_snapshots).needs(VETH).alone(),
    test!(tcx_devices).needs(Need::TCX).also_needs(VETH).alone(),
    test!(a_device_whose_namespace_a_snapshot_has_told)
        .needs(ITERATOR)
        .also_needs(VETH)
        .alone(),
    test!(namespaces_of_processes).needs(VETH).alone(),
    test!(a_device_that_is_renamed),
    test!(cgroups),
    test!(cgroups_that_are_covered),
    test!(software_clocks)
        .needs(Need::PERF_EVENT)
        .also_needs(&[Need::Member("bpf_link_info", "perf_event")]),
    test!(functions_of_a_library),
    test!(functions_that_a_link_probes)
        .needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 8)]),
    test!(what_is_missing_is_noted),
];

const VETH: &[Need] = &[Need::Device(DeviceKind::Veth)];

/// Names that are looked up without a snapshot.
fn by_walk() -> Result<Names> {
    Ok(Names::with(Snapshotter::load_at_most(
        SnapshotMethod::Walk,
    )?))
}

/// The names that are whole in the program's BTF, and those that the kernel has.
fn programs_and_maps(_sandbox: &Sandbox) -> Result<()> {
    let names = Names::new();
    let program = described_as("drop_martians_of_every_tenant")?;
    let id = ProgramId::new(program.id()?).context("an id")?;
    let whole = names.program_name(id).context("no name")?;
    let expected = format!("{}drop_martians_of_every_tenant", names::prefix());
    ensure!(whole.to_str()? == expected, "{whole:?}");
    let cut = names.program(id).context("not found")?;
    let kept = expected.as_bytes().get(..15).context("it is long")?;
    ensure!(cut.name.to_bytes() == kept, "{cut:?}");
    let map = Map::hash(4, 8, 3)?;
    let info = bpf_link::MapInfo::of(&map)?;
    let found = names.map(info.id).context("not found")?;
    ensure!(*found == info, "{found:?}");

    // What is gone is remembered while it is asked for, and has no note.
    drop((program, map));
    ensure!(names.program_name(id).as_deref() == Some(&*whole));
    ensure!(names.notes().is_empty(), "{:?}", names.notes());
    let later = Names::new();
    bpf_link_tests::eventually_holds("the program has gone", || {
        Ok(Names::new().program(id).is_none())
    })?;
    ensure!(later.program_name(id).is_none() && later.notes().is_empty());
    Ok(())
}

fn here(index: u32, name: &CStr) -> LinkDevice {
    LinkDevice::Here {
        index,
        name: name.into(),
    }
}

fn device_of(names: &Names, link: &XdpLink) -> Result<LinkDevice> {
    let info = bpf_link_typed::LinkInfoRef::Xdp(link.info()?);
    names.device(&info).context("it has a device")
}

fn ensure_device(found: &LinkDevice, expected: &LinkDevice) -> Result<()> {
    ensure!(found == expected, "{found:?} and not {expected:?}");
    Ok(())
}

/// A snapshot tells the namespace. The device has a name once a file of the namespace is found.
fn xdp_devices_by_snapshots(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    let program = Program::passing(Hook::XDP)?;
    let link = there.xdp(&program)?;
    // The same program on a device with the same index, if there is one.
    let on_lo = on_xdp("lo", &program)?;
    let mut names = Names::new();
    ensure_device(&device_of(&names, &link)?, &there.device(None)?)?;
    ensure_device(&device_of(&names, &on_lo)?, &here(1, c"lo"))?;
    there.mount()?;
    ensure_device(&device_of(&names, &link)?, &there.device(None)?)?;
    names.refresh();
    ensure_device(&device_of(&names, &link)?, &there.device(Some(NAME))?)?;
    let file = names.netns(there.netns.inode()?).context("not found")?;
    ensure!(*file == *there.file, "{}", file.display());
    // A link that is newer than the last look.
    let newer = on_lo_there(&there, &program)?;
    let expected = elsewhere(1, Some(c"lo"), there.netns.inode()?);
    ensure_device(&device_of(&names, &newer)?, &expected)?;
    ensure_device(&device_of(&names, &on_lo)?, &here(1, c"lo"))?;
    newer.detach()?;
    ensure_device(&device_of(&names, &newer)?, &LinkDevice::Gone)?;
    ensure!(names.notes().is_empty(), "{:?}", names.notes());
    there.unmount()
}

fn on_lo_there(there: &There, program: &Program) -> Result<XdpLink> {
    there.netns.inside(|| on_xdp("lo", program))
}

/// Then the device is the one that runs the program, if that is the only one.
fn xdp_devices_without_snapshots(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    let program = Program::passing(Hook::XDP)?;
    let link = on_lo_there(&there, &program)?;
    let device = |link: &XdpLink| device_of(&by_walk()?, link);
    let unknown = LinkDevice::Unknown { index: 1 };
    // `lo` is here, too, and runs nothing.
    ensure_device(&device(&link)?, &unknown)?;
    there.mount()?;
    let expected = elsewhere(1, Some(c"lo"), there.netns.inode()?);
    ensure_device(&device(&link)?, &expected)?;
    // Now each of the two may be the one.
    let on_lo = on_xdp("lo", &program)?;
    ensure_device(&device(&link)?, &unknown)?;
    ensure_device(&device(&on_lo)?, &unknown)?;
    there.unmount()?;
    ensure_device(&device(&on_lo)?, &unknown)?;
    drop(link);
    bpf_link_tests::eventually_holds("the other link has gone", || {
        Ok(device(&on_lo)? == here(1, c"lo"))
    })
}

/// Hooks of tcx list their links, so the device is certain without a snapshot, too.
fn tcx_devices(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let attach =
        || -> Result<TcxLink> { Ok(TcxAttach::to("lo", TcxHook::Ingress).attach(&program)?) };
    let (on_lo, link) = (attach()?, there.netns.inside(attach)?);
    there.mount()?;
    for names in [Names::new(), by_walk()?] {
        let device = |link: &TcxLink| -> Result<_> {
            let info = bpf_link_typed::LinkInfoRef::Tcx(link.info()?);
            names.device(&info).context("it has a device")
        };
        ensure_device(&device(&on_lo)?, &here(1, c"lo"))?;
        let expected = elsewhere(1, Some(c"lo"), there.netns.inode()?);
        ensure_device(&device(&link)?, &expected)?;
    }
    there.unmount()
}

/// The entry of a snapshot is enough, although this one takes none.
fn a_device_whose_namespace_a_snapshot_has_told(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    let program = Program::passing(Hook::XDP)?;
    let (link, on_lo) = (on_lo_there(&there, &program)?, on_xdp("lo", &program)?);
    let snapshotter = Snapshotter::load()?;
    let mut buf = vec![0; Snapshotter::BUFFER];
    let entries: Vec<_> = snapshotter.read(&mut buf)?.collect::<Result<_, _>>()?;
    let names = by_walk()?;
    let device = |link: &XdpLink| -> Result<_> {
        let id = link.id()?;
        let entry = entries.iter().find(|entry| entry.id() == id);
        let info = bpf_link_typed::LinkInfoRef::Xdp(link.info()?);
        let device = names.device_in_snapshot(&info, entry.context("not met")?);
        device.context("it has a device")
    };
    ensure_device(&device(&link)?, &elsewhere(1, None, there.netns.inode()?))?;
    ensure_device(&device(&on_lo)?, &here(1, c"lo"))
}

/// A namespace that is mounted nowhere is found while a process is in it.
fn namespaces_of_processes(sandbox: &Sandbox) -> Result<()> {
    let there = There::new(sandbox)?;
    let program = Program::passing(Hook::XDP)?;
    let link = on_lo_there(&there, &program)?;
    let mut names = by_walk()?;
    ensure!(names.netns(there.netns.inode()?).is_none());
    let process = inhabit(&there.netns)?;
    names.refresh();
    let file = names.netns(there.netns.inode()?);
    let device = device_of(&names, &link);
    let file = file.context("the namespace was not found")?;
    ensure!(*file == *Path::new(&format!("/proc/{}/ns/net", process.id())));
    ensure_device(&device?, &elsewhere(1, Some(c"lo"), there.netns.inode()?))
}

/// A name stays as it was until the next refresh.
fn a_device_that_is_renamed(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = on_xdp("lo", &program)?;
    let mut names = Names::new();
    ensure_device(&device_of(&names, &link)?, &here(1, c"lo"))?;
    bpf_link_tests::device::rename(1, "renamed")?;
    ensure_device(&device_of(&names, &link)?, &here(1, c"lo"))?;
    names.refresh();
    ensure_device(&device_of(&names, &link)?, &here(1, c"renamed"))?;
    bpf_link_tests::device::rename(1, "lo")
}

fn cgroups(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("named")?;
    let id = cgroup.id()?;
    let mut names = Names::new();
    let path = names.cgroup(id).context("not found")?;
    // It may be mounted elsewhere, too.
    ensure!(std::fs::metadata(&path)?.ino() == id, "{}", path.display());
    ensure!(path.file_name() == cgroup.path().file_name());
    let all = names.cgroups();
    ensure!(all.contains(&path) && all.is_sorted(), "{all:?}");
    let child = cgroup.child("newer")?;
    let newer = child.id()?;
    let before = names.cgroup(newer);
    names.refresh();
    let after = names.cgroup(newer);
    child.remove()?;
    ensure!(before.is_none(), "it is newer: {before:?}");
    ensure!(after.is_some_and(|path| path.ends_with("newer")));
    ensure!(names.cgroup(u64::MAX).is_none() && names.notes().is_empty());
    Ok(())
}

/// The directories of another file system that is mounted on a cgroup are not cgroups.
fn cgroups_that_are_covered(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("covered")?;
    let id = cgroup.id()?;
    mount("tmpfs", cgroup.path(), "tmpfs", MountFlags::empty(), None)?;
    std::fs::create_dir(cgroup.path().join("inside"))?;
    let names = Names::new();
    let covered = names.cgroup(id);
    let paths = names.cgroups();
    unmount(cgroup.path(), UnmountFlags::empty())?;
    // It may be mounted elsewhere, too.
    ensure!(covered.as_deref() != Some(cgroup.path()), "{covered:?}");
    ensure!(!paths.is_empty(), "others are found");
    let inside: Vec<_> = paths
        .iter()
        .filter(|path| path.starts_with(cgroup.path()))
        .collect();
    ensure!(inside.is_empty(), "{inside:?}");
    Ok(())
}

/// The kernel reports a source that sysfs does not list.
fn software_clocks(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::PERF_EVENT)?;
    let names = Names::new();
    for (event, expected) in [
        (SoftwareEvent::CpuClock, "cpu-clock"),
        (SoftwareEvent::TaskClock, "task-clock"),
        (SoftwareEvent::PageFaults, "page-faults"),
    ] {
        let event = CounterEvent::with_period(event, 1_000_000).processor(0);
        let link = PerfEventAttach::to(event).attach(&program)?;
        let LinkInfo::PerfEvent(info) = LinkInfo::read(link.as_raw())? else {
            anyhow::bail!("it is of another kind");
        };
        let PerfEventDetails::Event(counter) = info.event else {
            anyhow::bail!("{info:?}");
        };
        let PerfCounter { event_type, .. } = counter;
        let name = names.counter(&counter);
        ensure!(name.source.as_deref() == Some("software"), "{event_type}");
        ensure!(name.event.as_deref() == Some(expected), "{name:?}");
    }
    Ok(())
}

/// A file with two functions.
fn library(sandbox: &Sandbox) -> Result<PathBuf> {
    let path = sandbox.directory().join("library");
    let file = ElfFile {
        symbols: vec![
            ElfSymbol::function("first", CODE_ADDRESS),
            ElfSymbol::function("second", CODE_ADDRESS + 0x10),
        ],
        ..ElfFile::native()
    };
    std::fs::write(&path, file.build())?;
    Ok(path)
}

fn functions_of_a_library(sandbox: &Sandbox) -> Result<()> {
    let path = library(sandbox)?;
    let mut names = Names::new();
    let found = |names: &Names| -> Vec<_> {
        let found = names.binary_functions(&path, &[CODE + 0x14, 0, CODE]);
        let names = found.iter().map(|found| {
            let found = found.as_deref()?;
            Some((found.symbol.name.clone(), found.offset))
        });
        names.collect()
    };
    let expected = [
        Some(("second".to_owned(), 4)),
        None,
        Some(("first".to_owned(), 0)),
    ];
    ensure!(found(&names) == expected, "{:?}", found(&names));
    ensure!(names.notes().is_empty(), "{:?}", names.notes());
    // They are kept until the next refresh.
    std::fs::remove_file(&path)?;
    ensure!(found(&names) == expected, "{:?}", found(&names));
    names.refresh();
    ensure!(found(&names) == [None, None, None]);
    let [note] = &names.notes()[..] else {
        anyhow::bail!("{:?}", names.notes());
    };
    ensure!(note.about == NamesOf::BinaryFunctions, "{note:?}");
    let errno = note.error.as_ref().and_then(|error| error.errno());
    ensure!(errno == Some(libc::ENOENT), "{note:?}");
    Ok(())
}

fn functions_that_a_link_probes(sandbox: &Sandbox) -> Result<()> {
    let path = library(sandbox)?;
    let binary = Binary::open(&path)?;
    let functions = ["second", "first"].map(|name| binary.function(name));
    let functions = functions.into_iter().collect::<Result<Vec<_>, _>>()?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let link = UprobeMultiAttach::in_binary(&binary, When::Entry, &functions).attach(&program)?;
    let info = link.info()?;
    let names = Names::new();
    let offsets = info.offsets.context("no offsets")?;
    let found = names.binary_functions(&path, &offsets);
    let found = found.iter().flatten().map(|found| &*found.symbol.name);
    let found: Vec<_> = found.collect();
    ensure!(found == ["second", "first"], "{found:?}");
    Ok(())
}

/// Without privilege, what can be found is found, and a note says why the rest is missing.
fn what_is_missing_is_noted(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("named")?;
    let id = cgroup.id()?;
    let program = Program::passing(Hook::XDP)?;
    let program = ProgramId::new(program.id()?).context("an id")?;
    let map = Map::hash(4, 8, 3)?;
    let map = bpf_link::MapInfo::of(&map)?.id;
    as_nobody(|| {
        let names = Names::new();
        ensure!(names.program_name(program).is_none() && names.map(map).is_none());
        ensure!(names.cgroup(id).is_some());
        let notes = names.notes();
        let refused: Vec<_> = notes.iter().map(refusal).collect();
        let expected = [NamesOf::Programs, NamesOf::Maps].map(|of| (of, Some(libc::EPERM)));
        ensure!(refused == expected, "{notes:?}");
        Ok(())
    })
}

fn refusal(note: &NameNote) -> (NamesOf, Option<i32>) {
    let errno = note.error.as_ref().and_then(|error| error.errno());
    (note.about, errno)
}
