//! Who holds links, and where they are pinned.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link_peers::Side;
use bpf_link_sys::BPF_TRACE_ITER;
use bpf_link_tests::sys::{LinkTarget, link_create};
use bpf_link_tests::{Map, Sandbox, iterator, pins};
use bpf_link_typed::LinkId;
use bpf_link_typed::inspect::{HolderMethod, Holders, Pins};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::bench::Bench;

/// How many other processes there are, each with ten descriptors, of which one is a link's.
const PROCESSES: usize = 300;

/// How many links are pinned, and how many maps beside them.
const PINNED: usize = 1_000;
const MAPS: usize = 200;

pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    // A look takes milliseconds.
    bench.criterion = std::mem::take(&mut bench.criterion).sample_size(30);
    holders(bench)?;
    found_pins(bench, sandbox.bpffs())
}

/// The variable that makes a process of this program a sleeper.
const VARIABLE: &str = "BPF_LINK_SLEEPER";
/// How many descriptors it has besides its input, output and errors.
const OTHERS: usize = 7;

/// A process that only has descriptors. It is killed when this is dropped.
struct Sleeper(Child);

impl Sleeper {
    /// With this for its input.
    fn start(input: Stdio) -> Result<Self> {
        let mut child = Command::new("/proc/self/exe");
        child.env(VARIABLE, "").stdin(input).stdout(Stdio::piped());
        let mut child = child.spawn().context("starting a process")?;
        // It says when it has them.
        let mut output = child.stdout.take().context("no output")?;
        let read = output.read(&mut [0])?;
        ensure!(read == 1, "a process has ended");
        Ok(Self(child))
    }
}

/// Whether this process is a sleeper.
pub(crate) fn is_sleeper() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// What it does.
pub(crate) fn sleep() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let others = (0..OTHERS).map(|_| File::open("/dev/null"));
    let _others = others.collect::<Result<Vec<_>, _>>()?;
    std::io::stdout().write_all(b"\n")?;
    loop {
        std::thread::park();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// By the kernel's iterator, and by procfs.
fn holders(bench: &mut Bench) -> Result<()> {
    let program = iterator("bpf_map", *b"benchmrk")?;
    let link = link_create(program.as_fd(), LinkTarget::None, BPF_TRACE_ITER, 0)?;
    let id = bpf_link::RawLink::try_from(link.try_clone()?)?.id()?;
    let sleepers = (0..PROCESSES).map(|_| Sleeper::start(link.try_clone()?.into()));
    let sleepers = sleepers.collect::<Result<Vec<_>>>()?;
    let (mut iterator, mut procfs) = (Holders::new(), Holders::by_procfs());
    iterator.refresh();
    ensure!(
        iterator.method() == Some(HolderMethod::Iterator),
        "{:?}",
        iterator.no_iterator()
    );
    let name = format!("holders among {PROCESSES} processes");
    let sides = vec![
        Side::ours(move || look(&mut iterator, id)),
        Side::new("procfs", move || look(&mut procfs, id)),
    ];
    bench.compare(&name, 1, sides)?;
    let first = || look(&mut Holders::new(), id);
    let mut procfs = Holders::by_procfs();
    let sides = vec![
        Side::ours(first),
        Side::new("procfs", move || look(&mut procfs, id)),
    ];
    bench.compare(&format!("first {name}"), 1, sides)?;
    drop(sleepers);
    Ok(())
}

fn look(holders: &mut Holders, id: LinkId) {
    holders.refresh();
    assert!(holders.of(id).len() > PROCESSES);
}

/// The first look, which opens every pin, and another one when nothing has changed; beside one that
/// opens every pin.
fn found_pins(bench: &mut Bench, bpffs: &Path) -> Result<()> {
    let program = iterator("bpf_map", *b"benchmrk")?;
    // Beside what some kernels pin on every bpffs.
    let directory = &bpffs.join("pins");
    std::fs::create_dir(directory)?;
    for nth in 0..PINNED {
        let link = link_create(program.as_fd(), LinkTarget::None, BPF_TRACE_ITER, 0)?;
        pins::pin(&link, &directory.join(format!("link{nth}")))?;
    }
    let map = Map::array(8, 1)?;
    for nth in 0..MAPS {
        pins::pin(&map, &directory.join(format!("map{nth}")))?;
    }
    let first = || {
        let mut pins = Pins::new();
        pins.refresh();
        assert!(pins.iter().count() >= PINNED);
    };
    let opens = || Side::bare(|| open_all(directory));
    let name = format!("pins of {PINNED} links");
    bench.compare(&name, 1, vec![Side::ours(first), opens()])?;
    let mut pins = Pins::new();
    pins.refresh();
    let again = move || {
        pins.refresh();
        assert!(pins.iter().count() >= PINNED);
    };
    bench.compare(
        &format!("{name} again"),
        1,
        vec![Side::ours(again), opens()],
    )?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// Looks what each pin is, by bare system calls: `stat`, `BPF_OBJ_GET` and an info of each.
fn open_all(directory: &Path) {
    let mut links = 0;
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.symlink_metadata().expect("a file").is_file() {
            continue;
        }
        let pin = pins::open(&path).expect("a pin");
        let name = std::fs::read_link(format!("/proc/self/fd/{}", pin.as_raw_fd()));
        let is_link = name.is_ok_and(|name| name.to_string_lossy().contains("link"));
        if is_link {
            let info = bpf_link_tests::sys::link_info(pin.as_fd());
            links += usize::from(info.is_ok());
        }
    }
    assert_eq!(links, PINNED);
}
