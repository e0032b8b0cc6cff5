//! Which links `bpf-links` lists, and in which order.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, LinkId, RawLink};
use bpf_link_tests::{Hook, Loader, Netns, Program, Sandbox};
use serde_json::Value;

use crate::fixture::{Counted, text};
use crate::harness::{Test, test};
use crate::lister::{LISTER, at, list, run, show};

pub(crate) const TESTS: &[Test] = &[
    test!(kinds_and_programs_are_chosen).needs(LISTER).alone(),
    test!(hooks_are_chosen).needs(LISTER),
    test!(pins_and_holders_are_chosen).needs(LISTER).alone(),
    test!(lists_are_sorted).needs(LISTER),
];

/// Which of these links are listed.
fn listed(ids: &[LinkId], more: &[&str]) -> Result<Vec<bool>> {
    let listed = list(more)?;
    let is_in = |id: &LinkId| listed.iter().any(|link| *at(link, "id") == id.get());
    Ok(ids.iter().map(is_in).collect())
}

fn kinds_and_programs_are_chosen(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let program = Loader::new(Hook::CGROUP_EGRESS).named("chosen").passing()?;
    let cgroup = sandbox.new_cgroup("chosen")?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let on_cgroup = RawLink::create(&request.target_fd(&cgroup))?;
    let ids = [counted.link.id()?, on_cgroup.id()?];
    let listed = |more: &[&str]| listed(&ids, more);
    ensure!(listed(&[])? == [true, true]);
    ensure!(listed(&["--kind", "xdp"])? == [true, false]);
    ensure!(listed(&["--kind", "3"])? == [false, true]);
    ensure!(listed(&["--kind", "xdp", "--kind", "cgroup"])? == [true, true]);
    ensure!(listed(&["--kind", "xdp,3"])? == [true, true]);
    ensure!(listed(&["--kind", "99"])? == [false, false]);
    let of_program = program.id()?.to_string();
    ensure!(listed(&["--prog", &of_program])? == [false, true]);
    ensure!(listed(&["--prog", &of_program, "--kind", "xdp"])? == [false, false]);
    let name = program.name()?;
    ensure!(listed(&["--prog", &name])? == [false, true]);
    // A name that is longer than what the kernel keeps.
    ensure!(listed(&["--prog", &format!("{name:_<15}and_more")])? == [false, name.len() == 15]);
    ensure!(listed(&["--prog", "no such name"])? == [false, false]);

    // The array has the same links.
    let array: Vec<Value> = serde_json::from_str(&run(&["list", "--json"])?.well()?)?;
    ensure!(array == list(&[])?);
    let empty = run(&["list", "--json", "--kind", "99"])?.well()?;
    ensure!(empty == "[]\n", "{empty:?}");
    // So does the table, which has no colours on a pipe.
    let table = run(&["list", "--kind", "cgroup"])?.well()?;
    let path = text(cgroup.path())?;
    let row = table.lines().find(|line| line.contains(path));
    let row = row.with_context(|| table.clone())?;
    ensure!(
        !table.contains('\u{1b}') && row.contains("cgroup_inet_egress"),
        "{table}"
    );
    ensure!(row.contains(&program.name()?), "{row}");
    let shown = show(on_cgroup.id()?, &[])?;
    ensure!(*at(&shown, "cgroup_path") == path, "{shown}");
    ensure!(*at(&shown, "cgroup_id") == cgroup.id()?, "{shown}");
    Ok(())
}

fn hooks_are_chosen(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let cgroup = sandbox.new_cgroup("chosen")?;
    let other = sandbox.new_cgroup("other")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let on = |cgroup: &_| {
        let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
        RawLink::create(&request.target_fd(cgroup))
    };
    let links = [on(&cgroup)?, on(&other)?];
    let ids = [counted.link.id()?, links[0].id()?, links[1].id()?];
    let among = |more: &[&str]| listed(&ids, more);
    for device in ["lo", "1"] {
        ensure!(among(&["--dev", device])? == [true, false, false]);
    }
    ensure!(among(&["--dev", "no_such_device"])? == [false; 3]);
    let id = cgroup.id()?.to_string();
    for cgroup in [text(cgroup.path())?, &id] {
        ensure!(among(&["--cgroup", cgroup])? == [false, true, false]);
    }
    // Only devices of this namespace match.
    ensure!(among(&["--netns", "/proc/self/ns/net"])? == [true, false, false]);

    let dispatcher = Program::passing(Hook::SK_LOOKUP)?;
    let netns = Netns::current()?;
    let request = LinkCreate::new(&dispatcher, AttachType::SkLookup).target_fd(&netns);
    let on_netns = RawLink::create(&request)?;
    let inode = at(&show(on_netns.id()?, &[])?, "netns_ino").to_string();
    let ids = [counted.link.id()?, on_netns.id()?];
    for netns in ["/proc/self/ns/net", &inode] {
        ensure!(listed(&ids, &["--netns", netns])? == [true, true]);
    }
    ensure!(listed(&ids, &["--netns", "1"])? == [false, false]);

    counted.link.detach()?;
    ensure!(among(&["--defunct"])? == [true, false, false]);
    Ok(())
}

fn pins_and_holders_are_chosen(sandbox: &Sandbox) -> Result<()> {
    let mut pinned = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    pinned.link.pin(&path)?;
    let cgroup = sandbox.new_cgroup("chosen")?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let other = RawLink::create(&request.target_fd(&cgroup))?;
    let ids = [pinned.link.id()?, other.id()?];
    ensure!(listed(&ids, &["--pinned"])? == [true, false]);
    // It lists the pins, too, without --pins.
    let all = list(&["--pinned"])?;
    let found = all.iter().find(|link| *at(link, "id") == ids[0].get());
    let found = found.context("it is not listed")?;
    ensure!(
        at(found, "pinned").to_string().contains(text(&path)?),
        "{found}"
    );
    let us = std::process::id().to_string();
    ensure!(listed(&ids, &["--pid", &us])? == [true, true]);
    ensure!(listed(&ids, &["--pid", &us, "--pinned"])? == [true, false]);
    ensure!(listed(&ids, &["--pid", "1"])? == [false, false]);
    Ok(pinned.link.unpin()?)
}

fn lists_are_sorted(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("sorted")?;
    // In an order that matches neither their names nor their hooks.
    let order = [
        ("b", Hook::CGROUP_EGRESS),
        ("c", Hook::CGROUP_INGRESS),
        ("a", Hook::CGROUP_EGRESS),
    ];
    let mut kept = Vec::new();
    for (name, hook) in order {
        let program = Loader::new(hook).named(name).passing()?;
        let attach_type = AttachType::from_raw(hook.attach_type);
        let request = LinkCreate::new(&program, attach_type).target_fd(&cgroup);
        kept.push((RawLink::create(&request)?, program));
    }
    let ids = kept.iter().map(|(link, _)| Ok(link.id()?.get()));
    let ids: Vec<u32> = ids.collect::<Result<_>>()?;
    let path = text(cgroup.path())?;
    let sorted = |key: &str| -> Result<Vec<u32>> {
        let mut orders = Vec::new();
        let more = ["list", "--cgroup", path, "--sort", key];
        let json = run(&[&more[..], &["--json"]].concat())?.well()?;
        let json: Vec<Value> = serde_json::from_str(&json)?;
        orders.push(json.iter().map(|link| at(link, "id").to_string()).collect());
        let lines = run(&[&more[..], &["--json-lines"]].concat())?.well()?;
        let lines = lines.lines().map(serde_json::from_str::<Value>);
        let lines = lines.map(|line| Ok(at(&line?, "id").to_string()));
        orders.push(lines.collect::<Result<Vec<_>>>()?);
        let table = run(&more)?.well()?;
        let rows = table.lines().skip(1);
        let rows = rows.filter_map(|row| row.split_ascii_whitespace().next());
        orders.push(rows.map(ToOwned::to_owned).collect());
        orders.dedup();
        ensure!(orders.len() == 1, "{orders:?}");
        let order = orders.into_iter().flatten();
        Ok(order.map(|id| id.parse()).collect::<Result<_, _>>()?)
    };
    let [b, c, a] = ids[..] else {
        anyhow::bail!("{ids:?}");
    };
    ensure!(sorted("prog")? == [a, b, c]);
    // The attach type comes first.
    ensure!(sorted("hook")? == [b, a, c]);
    ensure!(sorted("kind")? == ids);
    Ok(())
}
