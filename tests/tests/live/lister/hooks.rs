//! `bpf-links hooks`.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::sys;
use bpf_link_tests::{ClassicTc, Hook, Loader, Map, Netns, Program, Sandbox, device, pins};
use bpf_link_typed::{
    AttachType, CgroupAttach, CgroupHook, NetnsAttach, NetnsHook, SockmapAttach, SockmapHook,
    TcxAttach, TcxHook,
};
use serde_json::{Value, json};

use crate::fixture::{LOOPBACK, text};
use crate::harness::{Need, Test, test};
use crate::lister::bpftool;
use crate::lister::terminal::{on_a_terminal, widest};
use crate::lister::{LISTER, Nobody, at, run};
use crate::selftests::classic_tc::CLASSIC_TC;

pub(crate) const TESTS: &[Test] = &[
    test!(a_device)
        .needs(LISTER)
        .also_needs(Need::TCX)
        .also_needs(CLASSIC_TC)
        .alone(),
    test!(a_device_as_a_table)
        .needs(LISTER)
        .also_needs(Need::TCX)
        .also_needs(CLASSIC_TC)
        .alone(),
    test!(a_device_beside_bpftool)
        .needs(bpftool::NEEDS)
        .also_needs(Need::TCX)
        .also_needs(CLASSIC_TC)
        .alone(),
    test!(a_cgroup).needs(LISTER).alone(),
    test!(a_cgroup_beside_bpftool)
        .needs(bpftool::NEEDS)
        .also_needs(&[FLAGS_OF_PROGRAMS])
        .alone(),
    test!(all_of_them).needs(LISTER).alone(),
    test!(another_network_namespace).needs(LISTER).alone(),
    test!(a_map).needs(LISTER).also_needs(Need::SOCKMAP).alone(),
    test!(what_there_is_not).needs(LISTER),
    test!(without_privilege).needs(LISTER).alone(),
];

/// What `bpftool` asks for, and older kernels refuse: the flags of each program of a hook. They
/// came with this hook.
const FLAGS_OF_PROGRAMS: Need = Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP");
const HERE: &str = "/proc/thread-self/ns/net";

/// What the command has of these places.
fn hooks(arguments: &[&str]) -> Result<Vec<Value>> {
    let shown = run(&[&["hooks", "--json"], arguments].concat())?.well()?;
    ensure!(shown.lines().count() == 1, "{shown}");
    Ok(serde_json::from_str(&shown)?)
}

/// What it has of one place, and its programs.
fn one(arguments: &[&str]) -> Result<(Value, Vec<Value>)> {
    let places = hooks(arguments)?;
    let [place] = places.as_slice() else {
        anyhow::bail!("{places:?}");
    };
    ensure!(*at(place, "notes") == json!([]), "{place}");
    let programs = at(place, "programs").as_array();
    Ok((place.clone(), programs.context("no programs")?.clone()))
}

/// Whether the object has these keys with these values.
fn has(object: &Value, wanted: &Value) -> Result<()> {
    for (key, value) in wanted.as_object().context("no object")? {
        ensure!(object.get(key) == Some(value), "{key}: {object}");
    }
    Ok(())
}

/// Programs on `lo`: set over netlink, by a link with a pin, and as a classic filter.
struct OnLo {
    xdp: Program,
    tcx: Program,
    classic: Program,
    link: bpf_link_typed::TcxLink,
    discipline: ClassicTc,
}

impl OnLo {
    fn new() -> Result<Self> {
        let program = |hook: Hook, name| Loader::new(hook).named(name).passing();
        let tcx = program(Hook::TCX_INGRESS, "tcx")?;
        let on_lo = Self {
            xdp: program(Hook::XDP, "xdp")?,
            classic: program(Hook::CLASSIC_TC, "old")?,
            link: TcxAttach::to("lo", TcxHook::Ingress).attach(&tcx)?,
            tcx,
            discipline: ClassicTc::create(LOOPBACK)?,
        };
        on_lo.discipline.filter_ingress_at(5, &on_lo.classic)?;
        device::set_xdp(LOOPBACK, Some(on_lo.xdp.as_fd()), None)?;
        Ok(on_lo)
    }
}

impl Drop for OnLo {
    fn drop(&mut self) {
        // The sandbox removes it in any case.
        let _ = device::set_xdp(LOOPBACK, None, None);
    }
}

fn a_device(sandbox: &Sandbox) -> Result<()> {
    let mut on_lo = OnLo::new()?;
    let pin = sandbox.bpffs().join("pin");
    on_lo.link.pin(&pin)?;
    let found = one(&["lo", "--pins", "--holders"]);
    on_lo.link.unpin()?;
    let (place, programs) = found?;
    has(
        &place,
        &json!({"place": "device", "ifindex": 1, "devname": "lo"}),
    )?;
    let [xdp, tcx, classic] = programs.as_slice() else {
        anyhow::bail!("{place}");
    };
    has(
        xdp,
        &json!({
            "hook": "xdp", "mode": "generic", "prog_id": on_lo.xdp.id()?,
            "prog_name": on_lo.xdp.name()?, "prog_type": "xdp", "link_id": null,
        }),
    )?;
    has(
        tcx,
        &json!({
            "hook": "tcx_ingress", "prog_id": on_lo.tcx.id()?, "prog_type": "sched_cls",
            "link_id": on_lo.link.id()?.get(), "pinned": [pin],
        }),
    )?;
    let pids = at(tcx, "pids").as_array().context("no pids")?;
    ensure!(
        pids.iter().any(|pid| *at(pid, "pid") == std::process::id()),
        "{tcx}"
    );
    has(
        classic,
        &json!({
            "hook": "tc_ingress", "prog_id": on_lo.classic.id()?, "link_id": null, "prio": 5,
            "chain": 0, "protocol": libc::ETH_P_ALL, "direct_action": true,
            "filter_name": "classic",
        }),
    )?;
    // By its index it is the same.
    ensure!(one(&["1"])?.1.len() == 3);
    Ok(())
}

fn a_device_as_a_table(sandbox: &Sandbox) -> Result<()> {
    let mut on_lo = OnLo::new()?;
    let long = "long".repeat(30);
    let pin = sandbox.bpffs().join(&long);
    on_lo.link.pin(&pin)?;
    let narrow = on_a_terminal(&["hooks", "lo", "--pins"], 80, "1");
    let whole = run(&["hooks", "lo", "--pins"]);
    let empty = run(&["hooks", HERE]);
    on_lo.link.unpin()?;
    let (narrow, whole) = (narrow?, whole?.well()?);
    ensure!(widest(&narrow) <= 80, "{narrow}");
    ensure!(
        whole.contains(&format!("        pinned at {}", text(&pin)?)),
        "{whole}"
    );
    for table in [&narrow, &whole] {
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        let [title, xdp, tcx, pinned, classic, filter] = lines.as_slice() else {
            anyhow::bail!("{table}");
        };
        ensure!(*title == "lo (1)", "{table}");
        let id = on_lo.xdp.id()?.to_string();
        ensure!(
            xdp.starts_with("  xdp generic  ") && xdp.contains(&id),
            "{table}"
        );
        ensure!(xdp.ends_with("  no link"), "{table}");
        let link = format!("  link {}", on_lo.link.id()?);
        ensure!(
            tcx.starts_with("  tcx_ingress  ") && tcx.ends_with(&link),
            "{table}"
        );
        ensure!(pinned.starts_with("        pinned at /"), "{table}");
        ensure!(classic.starts_with("  tc_ingress "), "{table}");
        let details = "        priority 5, handle 0x1, direct action, named classic";
        ensure!(*filter == details, "{table}");
        // The columns line up.
        let programs_at = [xdp, tcx, classic].map(|line| {
            let hook = line.trim_start().find("  ").unwrap_or_default();
            line.get(hook + 2..)
                .map(|rest| line.len() - rest.trim_start().len())
        });
        ensure!(
            programs_at.iter().all(|at| *at == programs_at[0]),
            "{table}"
        );
    }
    let inode = Netns::current()?.inode()?;
    let expected = format!("network namespace {inode}\n  (nothing attached)\n");
    ensure!(empty?.well()? == expected);
    Ok(())
}

/// What `bpftool` says, as JSON.
fn bpftool_says(arguments: &[&str]) -> Result<Value> {
    let said = bpftool::output(arguments)?;
    serde_json::from_str(&said).with_context(|| said.clone())
}

/// The ids of programs in the order in which bpftool has them.
fn ids(programs: &Value, key: &str) -> Vec<u64> {
    let programs = programs.as_array().into_iter().flatten();
    programs
        .filter_map(|program| at(program, key).as_u64())
        .collect()
}

fn a_device_beside_bpftool(_sandbox: &Sandbox) -> Result<()> {
    let on_lo = OnLo::new()?;
    let theirs = bpftool_says(&["net", "show", "dev", "lo"])?;
    let theirs = theirs.get(0).context("nothing")?;
    let (_, ours) = one(&["lo"])?;
    let ours_on = |hooks: &[&str]| -> Vec<u64> {
        let programs = ours.iter().filter(|program| {
            let hook = at(program, "hook").as_str().unwrap_or_default();
            hooks.contains(&hook)
        });
        programs
            .filter_map(|program| at(program, "prog_id").as_u64())
            .collect()
    };
    let xdp = ids(at(theirs, "xdp"), "id");
    ensure!(
        xdp == [u64::from(on_lo.xdp.id()?)] && xdp == ours_on(&["xdp"]),
        "{theirs}"
    );
    let mut tc = ids(at(theirs, "tc"), "prog_id");
    if tc.is_empty() {
        // As older ones call it.
        tc = ids(at(theirs, "tc"), "id");
    }
    let mut ours_of_tc = ours_on(&["tcx_ingress", "tc_ingress"]);
    // Not every one of them knows tcx, or lists it first.
    ours_of_tc.retain(|id| tc.contains(id));
    ensure!(!tc.is_empty() && tc == ours_of_tc, "{theirs} {ours:?}");
    Ok(())
}

fn a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let [above, own] = [
        Program::passing(Hook::CGROUP_EGRESS)?,
        Program::passing(Hook::CGROUP_EGRESS)?,
    ];
    let attach = |program, path| CgroupAttach::to(path, CgroupHook::InetEgress).attach(program);
    let (of_parent, of_child) = (attach(&above, parent.path())?, attach(&own, child.path())?);
    let path = text(child.path())?;
    let (place, programs) = one(&[path])?;
    has(
        &place,
        &json!({"place": "cgroup", "cgroup_id": child.id()?, "cgroup_path": path}),
    )?;
    let [first, second] = programs.as_slice() else {
        anyhow::bail!("{place}");
    };
    has(
        first,
        &json!({
            "hook": "cgroup_inet_egress", "prog_id": own.id()?, "link_id": of_child.id()?.get(),
            "attach_flags": "multi", "inherited": false,
        }),
    )?;
    has(
        second,
        &json!({
            "prog_id": above.id()?, "link_id": of_parent.id()?.get(), "inherited": true,
            "from_cgroup_id": parent.id()?, "from_cgroup_path": parent.path(),
        }),
    )?;
    let table = run(&["hooks", path])?.well()?;
    let inherited = format!("        inherited from {}", text(parent.path())?);
    ensure!(
        table.starts_with(path) && table.contains(&inherited),
        "{table}"
    );

    // Without an argument, only what is attached to a cgroup itself.
    let all = hooks(&[])?;
    for (cgroup, program) in [(&parent, &above), (&child, &own)] {
        let id = cgroup.id()?;
        let place = all.iter().find(|place| *at(place, "cgroup_id") == id);
        let programs = place.map(|place| ids(at(place, "programs"), "prog_id"));
        ensure!(programs == Some(vec![program.id()?.into()]), "{all:?}");
    }
    Ok(())
}

fn a_cgroup_beside_bpftool(sandbox: &Sandbox) -> Result<()> {
    let parent = sandbox.new_cgroup("parent")?;
    let child = parent.child("child")?;
    let program = || Program::passing(Hook::CGROUP_EGRESS);
    let programs = [program()?, program()?, program()?];
    let [above, one_of_child, bare] = &programs;
    let attach = |program, path| CgroupAttach::to(path, CgroupHook::InetEgress).attach(program);
    let _links = (
        attach(above, parent.path())?,
        attach(one_of_child, child.path())?,
    );
    let multi = bpf_link_sys::BPF_F_ALLOW_MULTI;
    let egress = AttachType::CgroupInetEgress.as_raw();
    sys::prog_attach(child.as_fd(), bare.as_fd(), egress, multi)?;
    let path = text(child.path())?;
    let (_, ours) = one(&[path])?;
    let ours = Value::Array(ours);
    for (more, is_effective) in [(&[][..], false), (&["effective"], true)] {
        let theirs = bpftool_says(&[&["cgroup", "show", path], more].concat())?;
        let mut expected = ids(&ours, "prog_id");
        if !is_effective {
            expected.pop();
        }
        ensure!(ids(&theirs, "id") == expected, "{theirs} {ours}");
        for program in theirs.as_array().into_iter().flatten() {
            let id = at(program, "id");
            let mut ours = ours.as_array().into_iter().flatten();
            let found = ours.find(|ours| at(ours, "prog_id") == id);
            let found = found.context("not found")?;
            ensure!(
                at(found, "hook") == at(program, "attach_type"),
                "{program} {found}"
            );
            // What is effective has no flags there.
            let flags = at(program, "attach_flags");
            let same = at(found, "attach_flags") == flags;
            ensure!(same || is_effective, "{program} {found}");
        }
    }
    Ok(())
}

/// Places without programs are left out.
fn all_of_them(_sandbox: &Sandbox) -> Result<()> {
    let xdp = Program::passing(Hook::XDP)?;
    device::set_xdp(LOOPBACK, Some(xdp.as_fd()), None)?;
    let lookup = Program::passing(Hook::SK_LOOKUP)?;
    let _link = NetnsAttach::to(HERE, NetnsHook::SkLookup).attach(&lookup)?;
    let places = hooks(&[])?;
    device::set_xdp(LOOPBACK, None, None)?;
    let after = hooks(&[])?;
    let sorts = |places: &[Value]| -> Vec<String> {
        let sorts = places
            .iter()
            .filter_map(|place| at(place, "place").as_str());
        // The machine may have programs on its cgroups.
        sorts
            .filter(|sort| *sort != "cgroup")
            .map(str::to_owned)
            .collect()
    };
    ensure!(sorts(&places) == ["device", "netns"], "{places:?}");
    ensure!(sorts(&after) == ["netns"], "{after:?}");
    let netns = after.first().context("nothing")?;
    has(netns, &json!({"netns_ino": Netns::current()?.inode()?}))?;
    ensure!(ids(at(netns, "programs"), "prog_id") == [u64::from(lookup.id()?)]);
    Ok(())
}

fn another_network_namespace(sandbox: &Sandbox) -> Result<()> {
    let there = Netns::create()?;
    let program = Program::passing(Hook::XDP)?;
    there.inside(|| device::set_xdp(LOOPBACK, Some(program.as_fd()), None))?;
    // A name for it, as in /run/netns.
    let path = sandbox.directory().join("there");
    std::fs::write(&path, "")?;
    let file = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&there.as_fd())
    );
    rustix::mount::mount_bind(&file, &path)?;
    let by_name = one(&["lo", "--netns", text(&path)?]);
    let all = hooks(&["--netns", text(&path)?]);
    let here = one(&["lo"]);
    let of_netns = one(&[text(&path)?]);
    rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH)?;
    let (place, programs) = by_name?;
    ensure!(
        ids(&json!(programs), "prog_id") == [u64::from(program.id()?)],
        "{place}"
    );
    ensure!(all?.contains(&place));
    ensure!(here?.1.is_empty());
    has(
        &of_netns?.0,
        &json!({"place": "netns", "netns_ino": there.inode()?}),
    )
}

fn a_map(sandbox: &Sandbox) -> Result<()> {
    let map = Map::sockmap(1)?;
    let program = Program::passing(Hook::SK_MSG_VERDICT)?;
    let link = SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?;
    let pin = sandbox.bpffs().join("map");
    pins::pin(&map, &pin)?;
    let by_pin = one(&[text(&pin)?]);
    std::fs::remove_file(&pin)?;
    let by_id = one(&[&format!("map:{}", map.id()?)])?;
    ensure!(by_pin? == by_id);
    let (place, programs) = by_id;
    has(&place, &json!({"place": "map", "map_id": map.id()?}))?;
    let program = json!({
        "hook": "sk_msg_verdict", "prog_id": program.id()?, "link_id": link.id()?.get(),
    });
    has(programs.first().context("nothing")?, &program)
}

fn what_there_is_not(sandbox: &Sandbox) -> Result<()> {
    let array = sandbox.bpffs().join("array");
    pins::pin(&Map::array(8, 1)?, &array)?;
    let missing = sandbox.directory().join("missing");
    for (place, why) in [
        ("gone0", "No such device"),
        ("2147483647", "No such device"),
        ("map:2147483647", "has vanished"),
        (text(&missing)?, "No such file"),
        (
            "/proc/self/comm",
            "is not a cgroup, a network namespace or a pinned map",
        ),
        (text(&array)?, "not supported"),
    ] {
        // Before there was a query, the kernel does not say what is not a map of sockets.
        if place == text(&array)? && Need::SOCKMAP_QUERY.missing()?.is_some() {
            continue;
        }
        let line = run(&["hooks", place])?.refused()?;
        ensure!(line.contains(why), "{place}: {line}");
        ensure!(run(&["hooks", "--json", place])?.refused()? == line);
    }
    std::fs::remove_file(&array)?;
    // The others are shown.
    let ran = run(&["hooks", "gone0", "lo", "--json"])?;
    ensure!(
        ran.status == Some(1) && ran.errors.lines().count() == 1,
        "{ran:?}"
    );
    let shown: Vec<Value> = serde_json::from_str(&ran.output)?;
    ensure!(shown.len() == 1, "{shown:?}");
    Ok(())
}

/// What takes no privilege is shown; what is missing is on standard error and in the JSON.
fn without_privilege(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    device::set_xdp(LOOPBACK, Some(program.as_fd()), None)?;
    let nobody = Nobody::new(sandbox)?;
    let (json, table) = (
        nobody.run(&["hooks", "lo", "--json"]),
        nobody.run(&["hooks", "lo"]),
    );
    device::set_xdp(LOOPBACK, None, None)?;
    let (json, table) = (json?, table?);
    for ran in [&json, &table] {
        ensure!(ran.status == Some(1), "{ran:?}");
        let said = |what: &str| ran.errors.matches(what).count() == 1;
        ensure!(said("some programs may be missing"), "{ran:?}");
        ensure!(said("CAP_NET_ADMIN is missing"), "{ran:?}");
        ensure!(said("some links are not shown"), "{ran:?}");
        ensure!(said("some programs are shown without names"), "{ran:?}");
    }
    let shown: Vec<Value> = serde_json::from_str(&json.output)?;
    let place = shown.first().context("nothing")?;
    let programs = at(place, "programs").as_array().context("no programs")?;
    let wanted = json!({"hook": "xdp", "prog_id": program.id()?, "possible_link_ids": []});
    has(programs.first().context("no program")?, &wanted)?;
    let notes = at(place, "notes").as_array().context("no notes")?;
    let is_told = notes.iter().any(|note| {
        let [what, why] = ["what", "why"].map(|key| at(note, key).as_str().unwrap_or_default());
        what.contains("tcx_ingress, tcx_egress") && why.contains("CAP_NET_ADMIN")
    });
    ensure!(notes.len() == 3 && is_told, "{place}");
    ensure!(table.output.contains("link unknown"), "{table:?}");
    Ok(())
}
