//! `bpf-links` while links come and go.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{AttachType, KprobeMultiArgs, LinkCreate, RawLink};
use bpf_link_tests::{Hook, Netns, Program, Sandbox, in_form, iterator};
use serde_json::Value;

use crate::fixture::beside::{Work, check_beside};
use crate::fixture::{LOOPBACK, xdp};
use crate::harness::{Need, Test, test};
use crate::lister::{LISTER, at, many, run};

pub(crate) const TESTS: &[Test] = &[
    test!(every_stable_link_is_listed_once)
        .needs(LISTER)
        .alone()
        .minutes(4),
    test!(also_while_thousands_of_functions_are_attached_to)
        .needs(LISTER)
        .also_needs(Need::KPROBE_MULTI)
        .alone()
        .minutes(8),
];

/// For how long it goes on in the short form, unless the environment says otherwise.
const SHORT: Duration = Duration::from_secs(3);
/// The same in the long form.
const LONG: Duration = Duration::from_secs(60);
/// The variable that says for how many seconds in any form.
const VARIABLE: &str = "BPF_LINK_CHURN_SECONDS";
/// How many links are there all the time.
const STABLE: usize = 50;
/// How many functions are attached to at once.
const FUNCTIONS: usize = 3000;

pub(crate) fn duration() -> Result<Duration> {
    match std::env::var(VARIABLE) {
        Ok(seconds) => {
            let seconds = seconds
                .parse()
                .with_context(|| format!("{VARIABLE}={seconds}"))?;
            Ok(Duration::from_secs(seconds))
        }
        Err(_) => Ok(in_form(SHORT, LONG)),
    }
}

/// Attaches and detaches until told to stop; returns how often.
pub(crate) fn devices(stop: &AtomicBool) -> Result<u64> {
    let program = Program::passing(Hook::XDP)?;
    Netns::create()?.inside(|| {
        let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(LOOPBACK);
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) {
            match RawLink::create(&request) {
                Ok(link) => drop(link),
                // The list still holds the last one.
                Err(error) if error.errno() == Some(libc::EBUSY) => continue,
                Err(error) => bail!(error),
            }
            rounds += 1;
        }
        Ok(rounds)
    })
}

/// The same with iterators, which are there a little longer.
pub(crate) fn iterators(stop: &AtomicBool) -> Result<u64> {
    let program = iterator("bpf_map", *b"element\n")?;
    let request = LinkCreate::new(&program, AttachType::TraceIter);
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let links = (0..10).map(|_| RawLink::create(&request));
        drop(links.collect::<Result<Vec<_>, _>>()?);
        rounds += 1;
    }
    Ok(rounds)
}

/// The same with many functions at once, which takes its time.
fn functions(stop: &AtomicBool, functions: &[CString]) -> Result<u64> {
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    let symbols: Vec<&CStr> = functions.iter().map(CString::as_c_str).collect();
    let request = LinkCreate::new(&program, AttachType::TraceKprobeMulti)
        .args(KprobeMultiArgs::symbols(&symbols));
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        drop(RawLink::create(&request)?);
        rounds += 1;
    }
    Ok(rounds)
}

/// Functions that can be traced, each by a name that no other has.
fn traceable(sandbox: &Sandbox) -> Result<Vec<CString>> {
    const OF: [&str; 8] = [
        "__x64_sys_",
        "tcp_",
        "udp_",
        "ext4_",
        "nf_",
        "pci_",
        "acpi_",
        "inet",
    ];
    let list = std::fs::read_to_string(sandbox.tracefs()?.join("available_filter_functions"))?;
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    let symbols = std::fs::read_to_string("/proc/kallsyms")?;
    for name in symbols
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2))
    {
        if !once.insert(name) {
            twice.insert(name);
        }
    }
    // A function that can be traced in two places is listed twice.
    let listed: BTreeSet<&str> = list.lines().collect();
    let of_kernel = listed.into_iter().filter(|line| !line.contains(' '));
    let functions = of_kernel
        .filter(|name| OF.iter().any(|start| name.starts_with(start)))
        .filter(|name| !twice.contains(name))
        .take(FUNCTIONS);
    Ok(functions.map(CString::new).collect::<Result<_, _>>()?)
}

fn every_stable_link_is_listed_once(_sandbox: &Sandbox) -> Result<()> {
    under(&[&devices, &devices, &iterators])
}

fn also_while_thousands_of_functions_are_attached_to(sandbox: &Sandbox) -> Result<()> {
    let traceable = traceable(sandbox)?;
    println!("{} functions", traceable.len());
    ensure!(
        traceable.len() > 500,
        "too few functions: {}",
        traceable.len()
    );
    under(&[&devices, &|stop| functions(stop, &traceable)])
}

/// Lists all the while, in every form, and holds each list against the links that are there all the
/// time.
fn under(work: &[Work<'_>]) -> Result<()> {
    let stable = xdp(&Program::passing(Hook::XDP)?)?;
    let mut there = many(STABLE)?;
    there.push(stable);
    let ids = there
        .iter()
        .map(RawLink::id)
        .collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<u64> = ids.into_iter().map(|id| id.get().into()).collect();

    let lists = check_beside(work, duration()?, || check(&ids))?;
    println!("{lists} times three lists");
    Ok(())
}

/// Lists in each of the forms.
fn check(stable: &[u64]) -> Result<()> {
    let lines = run(&["list", "--json-lines"])?.well()?;
    let lines = lines.lines().map(|line| {
        let link: Value = serde_json::from_str(line)?;
        at(&link, "id").as_u64().context("no id")
    });
    has_all(&lines.collect::<Result<Vec<_>>>()?, stable).context("lines")?;
    let array: Vec<Value> = serde_json::from_str(&run(&["list", "--json"])?.well()?)?;
    let array = array
        .iter()
        .map(|link| at(link, "id").as_u64().context("no id"));
    has_all(&array.collect::<Result<Vec<_>>>()?, stable).context("array")?;
    let table = run(&["list"])?.well()?;
    let rows = table.lines().skip(1);
    let rows = rows.map(|row| {
        let id = row.split_ascii_whitespace().next();
        Ok(id.context("an empty row")?.parse()?)
    });
    has_all(&rows.collect::<Result<Vec<u64>>>()?, stable).context("table")
}

fn has_all(listed: &[u64], stable: &[u64]) -> Result<()> {
    ensure!(
        listed.is_sorted_by(|a, b| a < b),
        "a link was listed twice: {listed:?}"
    );
    let missing: Vec<_> = stable.iter().filter(|id| !listed.contains(id)).collect();
    ensure!(missing.is_empty(), "links are missing: {missing:?}");
    Ok(())
}
