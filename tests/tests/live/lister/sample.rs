//! The table in the README of `bpf-links`, and the picture of it: a machine with ten different
//! links.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::picture::COLOURED_VARIABLE;
use bpf_link_tests::{Device, DeviceKind, Hook, Loader, Map, Sandbox, iterator};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, CounterEvent, IterAttach, Link, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, PerfEventAttach, RawTracepointAttach, SockmapAttach,
    SockmapHook, SoftwareEvent, TcxAttach, TcxHook, UprobeMultiAttach, XdpAttach, XdpMode,
    attach::When,
};

use crate::fixture::text;
use crate::harness::{Need, Role, Test, role, test};
use crate::lister::terminal::on_a_terminal;
use crate::lister::{LISTER, run};

pub(crate) const TESTS: &[Test] = &[test!(is_in_the_readme)
    .needs(LISTER)
    .also_needs(Need::SOCKMAP)
    .also_needs(OTHERS)
    .alone()];

pub(crate) const ROLES: &[Role] = &[role!(machine)];

/// Besides sockmap links, which are the youngest.
const OTHERS: &[Need] = &[
    Need::Function("bpf_nf_link_attach"),
    Need::Function("tcx_link_attach"),
    Need::Function("uprobe_mmap"),
    Need::Device(DeviceKind::Veth),
];

const README: &str = include_str!("../../../../bpf-link-typed/bpf-links/README.md");
const PICTURE: &str = include_str!("../../../../bpf-link-typed/bpf-links/list.svg");
/// How the README has the paths of the sandbox: as they are on most machines.
const CGROUPS: &str = "/sys/fs/cgroup";
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

fn is_in_the_readme(sandbox: &Sandbox) -> Result<()> {
    let mut player = role!(machine)
        .start_with_whole_names(&[text(sandbox.cgroup_root()?)?, text(sandbox.directory())?])?;
    let rows = hear_rows(&mut player)?;
    let coloured = hear_rows(&mut player)?;
    player.finish()?;

    let tables = README.split("```text\n").skip(1);
    let mut tables = tables.filter_map(|rest| rest.split("```").next());
    let table = tables
        .find(|table| table.starts_with("ID "))
        .context("the README has no table")?;
    let is_so = table
        .lines()
        .map(without_numbers)
        .eq(rows.iter().map(|row| without_numbers(row)));
    ensure!(is_so, "the README has not this table:\n{}", rows.join("\n"));
    if let Some(path) = std::env::var_os(COLOURED_VARIABLE) {
        // The picture is made from this.
        return Ok(std::fs::write(path, coloured.join("\n"))?);
    }
    let drawn = PICTURE.lines().filter(|line| line.contains("<tspan x="));
    let drawn = drawn.map(|line| without_numbers(&without_tags(line)));
    let is_so = drawn
        .filter(|row| !row.is_empty())
        .eq(rows.iter().map(|row| without_numbers(row)));
    ensure!(is_so, "the picture is another: `cargo xtask picture`");
    Ok(())
}

fn hear_rows(player: &mut role::Player) -> Result<Vec<String>> {
    let count: usize = player.hear()?.parse()?;
    (0..count).map(|_| player.hear()).collect()
}

/// The text of a line of SVG.
fn without_tags(line: &str) -> String {
    let mut parts = line.split('<');
    let before = parts.next().unwrap_or_default().to_owned();
    let after_tags = parts.filter_map(|part| part.split_once('>'));
    after_tags.fold(before, |text, (_, more)| text + more)
}

/// A row, without the numbers, which differ each time, and the room that they take.
fn without_numbers(row: &str) -> String {
    let words = row.split_ascii_whitespace();
    let words = words.map(|word| match word.trim_matches(['(', ')']).parse::<u64>() {
        Ok(_) => "0",
        Err(_) => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Makes the links, and says what the lister has of them.
fn machine(arguments: &[String]) -> Result<()> {
    let [cgroups, libraries] = arguments else {
        anyhow::bail!("told only {arguments:?}");
    };
    let cgroup = Path::new(cgroups).join("web.service");
    let library = Path::new(libraries).join("libssl.so.3");
    // Instructions that do nothing, so that there is something to probe.
    std::fs::write(&library, [0x90; 64])?;
    let _device = Device::create(DeviceKind::Veth, "eth0")?;
    let map = Map::sockmap(1)?;
    std::fs::create_dir(&cgroup)?;
    let listed = attach_all(&cgroup, &map, &library).and_then(|links| {
        let ids = links.iter().map(|link| Ok(link.id()?.to_string()));
        let ids = ids.collect::<Result<Vec<_>>>()?;
        // On a terminal of unknown width, where nothing is shortened.
        let coloured = on_a_terminal(&["list"], 0, "")?;
        Ok((ids, [run(&["list"])?.well()?, coloured]))
    });
    std::fs::remove_dir(&cgroup)?;
    let (ids, tables) = listed?;
    let is_shown = |row: &&str| {
        let id = row.split_ascii_whitespace().next();
        id.is_some_and(|id| id.contains("ID") || ids.iter().any(|ours| ours == id))
    };
    for table in tables {
        let rows: Vec<&str> = table.lines().filter(is_shown).collect();
        role::say(&rows.len().to_string())?;
        for row in rows {
            role::say(&row.replace(cgroups, CGROUPS).replace(libraries, LIBRARIES))?;
        }
    }
    Ok(())
}

/// Ten different links.
fn attach_all(cgroup: &Path, map: &Map, library: &Path) -> Result<[Link; 10]> {
    let program = |hook: Hook, name| Loader::new(hook).named(name).passing();
    let page_faults = CounterEvent::with_period(SoftwareEvent::PageFaults, 1000);
    Ok([
        XdpAttach::to("eth0")
            .mode(XdpMode::Skb)
            .attach(&program(Hook::XDP, "drop_martians")?)?
            .into(),
        TcxAttach::to("eth0", TcxHook::Ingress)
            .attach(&program(Hook::TCX_INGRESS, "classify")?)?
            .into(),
        CgroupAttach::to(cgroup, CgroupHook::InetEgress)
            .attach(&program(Hook::CGROUP_EGRESS, "egress_policy")?)?
            .into(),
        NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup)
            .attach(&program(Hook::SK_LOOKUP, "steer_http")?)?
            .into(),
        NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -300)
            .attach(&program(Hook::NETFILTER, "conn_limit")?)?
            .into(),
        SockmapAttach::to(map, SockmapHook::MsgVerdict)
            .attach(&program(Hook::SK_MSG_VERDICT, "redirect")?)?
            .into(),
        RawTracepointAttach::to(c"mark_victim")
            .attach(&program(Hook::RAW_TRACEPOINT, "oom_watch")?)?
            .into(),
        PerfEventAttach::to(page_faults)
            .attach(&program(Hook::PERF_EVENT, "profile")?)?
            .into(),
        UprobeMultiAttach::to(library, When::Entry, [0, 16, 32])
            .attach(&program(Hook::UPROBE_MULTI, "ssl_handshakes")?)?
            .into(),
        IterAttach::over_all()
            .attach(&iterator("bpf_map", *b"element\n")?)?
            .into(),
    ])
}
