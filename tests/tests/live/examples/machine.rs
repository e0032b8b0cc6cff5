//! The examples about the whole machine: its processors, tasks, congestion controls and links.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{
    CongestionControl, CounterMap, Hook, Program, Sandbox, eventually_holds, iterator, links,
    names, processors,
};
use rustix::net::sockopt::set_tcp_congestion;
use serde_json::Value;

use super::running::{Running, run};
use super::{EXAMPLES, Pinned, counting};
use crate::fixture::Counted;
use crate::fixture::traffic::connect;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(iterator_of_tasks).needs(EXAMPLES),
    // It looks at all links, and so does the next but one.
    test!(profile)
        .needs(Need::PERF_EVENT)
        .also_needs(EXAMPLES)
        .alone(),
    test!(struct_ops)
        .needs(Need::STRUCT_OPS)
        .also_needs(EXAMPLES),
    test!(watch).needs(EXAMPLES).alone(),
];

fn iterator_of_tasks(sandbox: &Sandbox) -> Result<()> {
    let program = iterator("task", *b"element\n")?;
    let program = Pinned::new(sandbox, "tasks", &program)?;
    let ended = run("iterator", &[program.path()?])?;
    ensure!(ended.status == Some(0), "{ended:?}");
    let (records, said) = ended
        .output
        .trim_end()
        .rsplit_once('\n')
        .context("it says something")?;
    ensure!(
        records.lines().all(|record| record == "element"),
        "{records}"
    );
    let count = records.lines().count();
    ensure!(
        said == format!("The program wrote {count} lines."),
        "{said}"
    );
    // At least its own task and this one.
    ensure!(count >= 2, "{count}");
    Ok(())
}

/// A link on each processor that is online.
fn profile(sandbox: &Sandbox) -> Result<()> {
    let (program, counter, _) = counting(sandbox, "samples", Hook::PERF_EVENT)?;
    let online = processors::online()?.len();
    let (example, said) = Running::attached("profile", &[program.path()?, "1000"])?;
    ensure!(said.starts_with(&format!("{online} links run ")), "{said}");
    let attached = || anyhow::Ok(links::named(names::prefix())?.len());
    ensure!(attached()? == online, "{} links", attached()?);
    eventually_holds("a sample", || Ok(counter.read()? > 0))?;
    example.end()?;
    eventually_holds("the links are gone", || Ok(attached()? == 0))?;
    let last = counter.read()?;
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 20 {}
    ensure!(counter.read()? == last);
    Ok(())
}

fn is_known(name: &str) -> Result<bool> {
    const LIST: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    Ok(list.split_ascii_whitespace().any(|known| known == name))
}

fn struct_ops(sandbox: &Sandbox) -> Result<()> {
    let name = names::object_name("mine");
    let counter = CounterMap::new()?;
    let control = CongestionControl::counting_users(&name, &counter)?;
    let map = Pinned::new(sandbox, "mine", &control)?;
    ensure!(!is_known(&name)?);
    let (example, said) = Running::attached("struct_ops", &[map.path()?])?;
    ensure!(said.ends_with(&format!(" as {name:?}.\n")), "{said}");
    ensure!(is_known(&name)?);
    let [here, _there] = connect()?;
    set_tcp_congestion(&here, &name)?;
    ensure!(counter.read()? == 1, "{}", counter.read()?);
    example.end()?;
    eventually_holds("the name is free", || Ok(!is_known(&name)?))
}

/// Waits for the line about this event of this link, and returns what it says.
fn wait_for(watch: &mut Running, event: &str, id: u32) -> Result<Said> {
    loop {
        let said = Said(serde_json::from_str(&watch.line()?)?);
        if said.at("/link") == id {
            ensure!(said.at("/error").is_null(), "{said:?}");
            ensure!(said.at("/event") == event, "{said:?}");
            return Ok(said);
        }
    }
}

/// A line of JSON.
#[derive(Debug)]
struct Said(Value);

impl Said {
    /// What is at this place; null if nothing is.
    fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }
}

fn watch(_sandbox: &Sandbox) -> Result<()> {
    let there = Counted::new()?;
    let mut watch = Running::start("watch", &[])?;
    let id = there.link.id()?.get();
    let came = wait_for(&mut watch, "came", id)?;
    ensure!(came.at("/info/type") == "xdp", "{came:?}");
    let program = there.program.id()?;
    ensure!(came.at("/info/program_id") == program, "{came:?}");

    let other = Program::passing(Hook::XDP)?;
    there.link.update(&other)?;
    let changed = wait_for(&mut watch, "changed", id)?;
    ensure!(changed.at("/info/program_id") == other.id()?, "{changed:?}");
    drop(there);
    wait_for(&mut watch, "went", id)?;
    Ok(())
}
