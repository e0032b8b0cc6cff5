//! Pins a program that counts its runs, for an example to attach, without a compiler for BPF:
//!
//! ```console
//! cargo run -p bpf-link-tests --bin pin-program -- tcx/ingress /sys/fs/bpf/first
//! cargo run -p bpf-link-tests --bin pin-program -- count /sys/fs/bpf/first
//! rm /sys/fs/bpf/first /sys/fs/bpf/first_count
//! ```
//!
//! The section name says what the program is for, as it does in C: see
//! `bpf-link-typed/docs/sections.md`.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bpf_link_tests::{CongestionControl, CounterMap, Hook, Loader, Map, Program, iterator, pins};

/// The programs whose section name is always the same.
const PROGRAMS: [(&str, Hook); 8] = [
    ("xdp", Hook::XDP),
    ("tcx/ingress", Hook::TCX_INGRESS),
    ("tcx/egress", Hook::TCX_EGRESS),
    ("netfilter", Hook::NETFILTER),
    ("sk_msg", Hook::SK_MSG_VERDICT),
    ("kprobe.multi", Hook::KPROBE_MULTI),
    ("uprobe.multi", Hook::UPROBE_MULTI),
    ("perf_event", Hook::PERF_EVENT),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, path] = arguments.as_slice() else {
        bail!("usage: pin-program SECTION PATH, or pin-program count PATH");
    };
    let path = Path::new(path);
    if what == "count" {
        let counter = CounterMap::from(pins::open(&count_of(path))?);
        println!("The program has run {} times.", counter.read()?);
        return Ok(());
    }

    let counter = CounterMap::new()?;
    let (object, counts) =
        make(what, &counter).with_context(|| format!("{what} was not loaded"))?;
    pins::pin(&object, path)?;
    println!("Pinned at {}.", path.display());
    if counts {
        let count = count_of(path);
        pins::pin(&counter, &count)?;
        println!("Its runs are counted in {}.", count.display());
    }
    Ok(())
}

/// The path of the counter of a program.
fn count_of(path: &Path) -> PathBuf {
    let mut count = path.as_os_str().to_owned();
    count.push("_count");
    count.into()
}

/// Makes what belongs into this section, and says whether it counts its runs.
fn make(section: &str, counter: &CounterMap) -> Result<(OwnedFd, bool)> {
    if let Some((_, hook)) = PROGRAMS.iter().find(|(name, _)| *name == section) {
        return Ok((Program::counting(*hook, counter)?.into(), true));
    }
    if section == "sockmap" {
        return Ok((Map::sockmap(16)?.into(), false));
    }
    let (kind, target) = section.split_once('/').unwrap_or((section, ""));
    match (kind, target) {
        ("fentry", function) => {
            let loader = Loader::new(Hook::FENTRY).function(function)?;
            Ok((loader.counting(counter).passing()?.into(), true))
        }
        ("iter", target) => Ok((iterator(target, *b"element\n")?.into(), false)),
        ("struct_ops", name) => {
            let control = CongestionControl::counting(name, counter)?;
            Ok((control.into(), true))
        }
        _ => {
            let known = PROGRAMS.map(|(name, _)| name).join(", ");
            bail!(
                "there is no program for {section:?}, only for {known}, fentry/FUNCTION, \
                 iter/TARGET, struct_ops/NAME and sockmap"
            )
        }
    }
}
