//! The example `tracer`: each of its hooks that the kernel has counts what this test does.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{CODE, CODE_ADDRESS, ElfFile, ElfSymbol, HOT, HOT_ADDRESS};
use bpf_link_tests::mounted::mount_tracefs;
use bpf_link_tests::sys::MappedElf;
use bpf_link_tests::{Sandbox, eventually_holds};

use super::Made;
use crate::fixture::attaching::since;
use crate::fixture::text;
use crate::harness::role::{self, Player, role};
use crate::harness::{Need, Role, Test, test};

#[path = "../../../../bpf-link-typed/examples/tracer.rs"]
#[expect(dead_code, reason = "it has a `main` that is not called")]
mod example;

pub(crate) const TESTS: &[Test] = &[test!(each_hook_by_its_name)];

pub(crate) const ROLES: &[Role] = &[role!(with_a_library)];

/// Another process, which has a library of its own: it calls what may be a function of that.
fn with_a_library(arguments: &[String]) -> Result<()> {
    let [path] = arguments else {
        anyhow::bail!("{arguments:?}");
    };
    let mapped = MappedElf::new(&File::open(path)?)?;
    role::say("mapped")?;
    while role::listen()?.is_some() {
        mapped.call(CODE);
        role::say("called")?;
    }
    Ok(())
}

/// Starts a process with a `libssl.so.3` in this directory that has this function.
fn start_with(sandbox: &Sandbox, directory: &str, function: &str) -> Result<Player> {
    let directory = sandbox.directory().join(directory);
    let path = directory.join("libssl.so.3");
    let file = ElfFile {
        symbols: vec![ElfSymbol::function(function, CODE_ADDRESS)],
        ..ElfFile::native()
    };
    std::fs::create_dir_all(&directory)?;
    std::fs::write(&path, file.build())?;
    let mut player = role!(with_a_library).start(&[text(&path)?])?;
    ensure!(player.hear()? == "mapped");
    Ok(player)
}

/// What a hook needs, and what makes it count.
type Case<'a> = (&'a [&'a [Need]], &'a dyn Fn() -> Result<()>);

fn each_hook_by_its_name(sandbox: &Sandbox) -> Result<()> {
    const KPROBES: &[Need] = &[Need::Function("register_kprobe")];
    mount_tracefs()?;
    let file = ElfFile {
        symbols: vec![ElfSymbol::function("SSL_write", HOT_ADDRESS)],
        ..ElfFile::native()
    };
    let libssl = Made::new(sandbox, "libssl.so.3", &file)?;
    let other = RefCell::new(start_with(sandbox, "other", "SSL_write")?);
    let _without = start_with(sandbox, "without", "SSL_read")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let ssl_write = || {
        libssl.mapped.call(HOT);
        Ok(())
    };
    let ssl_write_elsewhere = || {
        let mut other = other.borrow_mut();
        other.tell("call")?;
        ensure!(other.hear()? == "called");
        Ok(())
    };
    let read = || {
        Ok(File::open("/proc/self/comm")?
            .read(&mut [0; 16])
            .map(drop)?)
    };
    let send = || Ok(TcpStream::connect(address)?.write_all(b"some")?);
    let work = || {
        let begin = Instant::now();
        while begin.elapsed().as_millis() < 50 {}
        Ok(())
    };
    let cases: [(&str, Case<'_>); 6] = [
        ("SSL_write", (&[Need::UPROBE_MULTI], &ssl_write)),
        ("SSL_write", (&[Need::UPROBE_MULTI], &ssl_write_elsewhere)),
        ("vfs_*", (&[Need::KPROBE_MULTI], &read)),
        ("tcp_sendmsg", (&[Need::TRACING], &send)),
        ("openat", (&[KPROBES, Need::PERF_EVENT], &read)),
        ("profile", (&[Need::PERF_EVENT], &work)),
    ];
    let mut missing = Vec::new();
    let traced = example::attach(|what, error| missing.push((what, error)));
    // The newest kernel of the matrix has all that the example is about.
    if Need::OwnKernel.missing()?.is_none() && since(7, 3, ())?.is_some() {
        ensure!(traced.len() == 5, "{missing:?}");
    }
    if traced.iter().any(|traced| traced.what == "SSL_write") {
        // A library without the function is reported, and does not keep the others from it.
        let said = |(what, error): &(&str, anyhow::Error)| {
            *what == "SSL_write" && format!("{error:#}").contains("no function SSL_write")
        };
        ensure!(missing.iter().any(said), "{missing:?}");
    }
    for (what, (needs, event)) in cases {
        let mut lacks = None;
        for need in needs.iter().copied().flatten() {
            lacks = lacks.or(need.missing()?);
        }
        let Some(traced) = traced.iter().find(|traced| traced.what == what) else {
            ensure!(lacks.is_some(), "{what}: {missing:?}");
            continue;
        };
        ensure!(lacks.is_none(), "{what} was traced, but {lacks:?}");
        let before = traced.count()?;
        eventually_holds(what, || {
            event()?;
            Ok(traced.count()? > before)
        })
        .context(what)?;
    }
    Ok(())
}
