//! A tracer that finds its hooks by the names that people know:
//!
//! - `SSL_write`, in each `libssl` that a process has mapped;
//! - each function of the kernel that is called `vfs_...`;
//! - `tcp_sendmsg`, with a trampoline;
//! - the system call `openat`;
//! - a profile, 99 times a second on each processor.
//!
//! It counts for a second, and then prints what it counted and what this machine lacks.
//!
//! As root; on Linux 6.6 or later it attaches to all of these:
//!
//! ```console
//! cargo run -p bpf-link-typed --features elf --example tracer
//! ```

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, CounterEvent, KernelFunctions, KprobeEvent, KprobeMultiAttach, Link, PerfEventAttach,
    SoftwareEvent, TracingAttach, UprobeMultiAttach,
};
// Loading programs is not these crates' business: a tracer would load its own with aya or
// libbpf-rs. These come from the workspace's tests, which put them together by hand.
use bpf_link_tests::{CounterMap, Hook, Loader, Program};

/// What is traced, and how often it happened. The links last as long as this.
pub(crate) struct Traced {
    pub(crate) what: &'static str,
    counter: CounterMap,
    links: Vec<Link>,
}

/// The links, and what could not be attached to; an error if nothing could.
type Attach = fn(&CounterMap) -> Result<Vec<Result<Link>>>;

const TRACED: [(&str, Attach); 5] = [
    ("SSL_write", ssl_write),
    ("vfs_*", vfs),
    ("tcp_sendmsg", tcp_sendmsg),
    ("openat", openat),
    ("profile", profile),
];

fn main() -> ExitCode {
    let traced = attach(|what, error| eprintln!("tracer: {what}: {error:#}"));
    std::thread::sleep(Duration::from_secs(1));
    for traced in &traced {
        match traced.count() {
            Ok(count) => println!("{}: {count} ({} links)", traced.what, traced.links.len()),
            Err(error) => eprintln!("tracer: {}: {error:#}", traced.what),
        }
    }
    ExitCode::from(u8::from(traced.is_empty()))
}

/// Traces what this machine has, and calls `missing` for the rest. If a single library or processor
/// cannot be traced, the others are.
pub(crate) fn attach(mut missing: impl FnMut(&'static str, anyhow::Error)) -> Vec<Traced> {
    let mut all = Vec::new();
    for (what, attach) in TRACED {
        match Traced::new(what, attach, |error| missing(what, error)) {
            Ok(traced) => all.push(traced),
            Err(error) => missing(what, error),
        }
    }
    all
}

impl Traced {
    fn new(
        what: &'static str,
        attach: Attach,
        mut missing: impl FnMut(anyhow::Error),
    ) -> Result<Self> {
        let counter = CounterMap::new()?;
        let mut links = Vec::new();
        for link in attach(&counter)? {
            match link {
                Ok(link) => links.push(link),
                Err(error) => missing(error),
            }
        }
        ensure!(!links.is_empty(), "nothing could be attached to");
        Ok(Self {
            what,
            counter,
            links,
        })
    }

    pub(crate) fn count(&self) -> Result<u64> {
        self.counter.read()
    }
}

fn ssl_write(counter: &CounterMap) -> Result<Vec<Result<Link>>> {
    let program = Program::counting(Hook::UPROBE_MULTI, counter)?;
    let (mut libraries, mut links) = (BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        // Most processes do not use it, and some have ended by now.
        let Ok(library) = Binary::in_process(pid, "libssl") else {
            continue;
        };
        // A probe is in the file, so it is for every process that has this one.
        if libraries.insert(library.device_and_inode()?) {
            links.push(ssl_write_in(&library, &program));
        }
    }
    ensure!(!links.is_empty(), "no process has a libssl");
    Ok(links)
}

fn ssl_write_in(library: &Binary, program: &Program) -> Result<Link> {
    let write = library.function("SSL_write")?;
    let to = UprobeMultiAttach::in_binary(library, When::Entry, [write]);
    Ok(to.attach(program)?.into())
}

fn vfs(counter: &CounterMap) -> Result<Vec<Result<Link>>> {
    let program = Program::counting(Hook::KPROBE_MULTI, counter)?;
    let link = KprobeMultiAttach::matching(When::Entry, "vfs_*")?.attach(&program)?;
    Ok(vec![Ok(link.into())])
}

fn tcp_sendmsg(counter: &CounterMap) -> Result<Vec<Result<Link>>> {
    let loader = Loader::new(Hook::FENTRY).function("tcp_sendmsg")?;
    let program = loader.counting(counter).passing()?;
    let link = TracingAttach::as_loaded().attach(&program)?;
    Ok(vec![Ok(link.into())])
}

fn openat(counter: &CounterMap) -> Result<Vec<Result<Link>>> {
    let program = Program::counting(Hook::KPROBE, counter)?;
    let function = KernelFunctions::traceable()?.syscall("openat")?;
    let event = KprobeEvent::at_function(&function);
    let link = PerfEventAttach::to(event).attach(&program)?;
    Ok(vec![Ok(link.into())])
}

fn profile(counter: &CounterMap) -> Result<Vec<Result<Link>>> {
    let program = Program::counting(Hook::PERF_EVENT, counter)?;
    let clock = CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99);
    let on_each = clock.each_processor()?.into_iter();
    let links = on_each.map(|event| Ok(PerfEventAttach::to(event).attach(&program)?.into()));
    Ok(links.collect())
}
