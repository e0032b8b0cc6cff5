//! A set of ten links of eight kinds is exchanged for another version again and again, while
//! packets, system calls, calls of a function and reads of an iterator are counted.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Hook, Loader, Map, Sandbox, in_form, own_code};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, IterLink, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, RawTracepointAttach, TcxAttach, TcxHook,
    UprobeMultiAttach, XdpAttach, attach::When, ensure::Outcome, set::Applied,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::beside::while_sending;
use crate::fixture::traffic::{send_to_itself, socket_to_itself};
use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test, test};
use crate::set::kinds::{Way, read};
use crate::suites::conformance::Counting;

pub(crate) const TESTS: &[Test] = &[test!(ten_links)
    .needs(Need::TCX)
    .also_needs(Need::NETFILTER)
    .also_needs(Need::UPROBE_MULTI)
    .minutes(15)];

/// How often, in the short form and in the long one.
const SWAPS: [u32; 2] = [300, 1_000];

/// The links: their names, hooks and ways.
const LINKS: [(&str, Hook, Way); 10] = [
    ("xdp", Hook::XDP, Way::InPlaceAlone),
    ("ingress", Hook::TCX_INGRESS, Way::InPlace),
    ("egress", Hook::TCX_INGRESS, Way::InPlace),
    ("cgroup_egress", Hook::CGROUP_EGRESS, Way::InPlace),
    ("cgroup_ingress", Hook::CGROUP_INGRESS, Way::InPlace),
    ("lookup", Hook::SK_LOOKUP, Way::InPlace),
    ("elements", Hook::ITERATOR, Way::InPlace),
    ("entry", Hook::RAW_TRACEPOINT, Way::Beside),
    ("function", Hook::UPROBE_MULTI, Way::Beside),
    ("netfilter", Hook::NETFILTER, Way::Gap),
];

/// What the sets are on.
struct Scene<'a> {
    directory: &'a Path,
    cgroup: &'a Path,
    map: &'a Map,
    offsets: [u64; 1],
}

fn load() -> Result<Vec<Counting>> {
    LINKS
        .iter()
        .map(|(_, hook, _)| {
            Counting::loaded(match *hook {
                Hook::ITERATOR => Loader::new(*hook).function("bpf_iter_bpf_map_elem")?,
                Hook::RAW_TRACEPOINT => Loader::new(*hook).in_this_process(),
                hook => Loader::new(hook),
            })
        })
        .collect()
}

impl Scene<'_> {
    fn set<'a>(&'a self, programs: &'a [Counting]) -> Result<LinkSet<'a>> {
        let mut set = LinkSet::in_dir(self.directory).create_dir(0o700);
        let mut links = LINKS
            .iter()
            .zip(programs)
            .map(|((name, ..), program)| (*name, program));
        let mut next = || links.next().ok_or_else(|| anyhow!("too few programs"));
        let (name, program) = next()?;
        set.add(name, XdpAttach::to("lo"), program)?;
        for hook in [TcxHook::Ingress, TcxHook::Egress] {
            let (name, program) = next()?;
            set.add(name, TcxAttach::to("lo", hook), program)?;
        }
        for hook in [CgroupHook::InetEgress, CgroupHook::InetIngress] {
            let (name, program) = next()?;
            set.add(name, CgroupAttach::to(self.cgroup, hook), program)?;
        }
        let (name, program) = next()?;
        let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
        set.add(name, to, program)?;
        let (name, program) = next()?;
        set.add(name, IterAttach::over_map(self.map), program)?;
        let (name, program) = next()?;
        set.add(name, RawTracepointAttach::to(c"sys_enter"), program)?;
        let (name, program) = next()?;
        let to = UprobeMultiAttach::to(own_code::FILE, When::Entry, self.offsets);
        set.add(name, to.pid(std::process::id()), program)?;
        let (name, program) = next()?;
        let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, -10_000);
        set.add(name, to, program)?;
        Ok(set)
    }
}

fn count(versions: &[Vec<Counting>; 2]) -> Result<Vec<u64>> {
    let [one, other] = versions;
    one.iter()
        .zip(other)
        .map(|(one, other)| Ok(one.count()? + other.count()?))
        .collect()
}

fn since(before: &[u64], versions: &[Vec<Counting>; 2]) -> Result<Vec<u64>> {
    let now = count(versions)?;
    Ok(now
        .iter()
        .zip(before)
        .map(|(now, before)| now - before)
        .collect())
}

fn ten_links(sandbox: &Sandbox) -> Result<()> {
    let (cgroup, map) = (sandbox.new_cgroup("agent")?, Map::array(4, 1)?);
    let scene = Scene {
        directory: &sandbox.bpffs().join("agent"),
        cgroup: cgroup.path(),
        map: &map,
        offsets: [offset_of(first)?],
    };
    let versions = [load()?, load()?];
    // Sockets are made in the cgroup that they are in.
    cgroup.inside(|| swap_under_load(&scene, &versions))?;
    ensure_nothing_left(sandbox)
}

fn swap_under_load(scene: &Scene<'_>, versions: &[Vec<Counting>; 2]) -> Result<()> {
    let socket = socket_to_itself()?;
    let event = || {
        first(1);
        read(&IterLink::from_pinned(scene.directory.join("elements"))?)?;
        send_to_itself(&socket)
    };
    let sets = [scene.set(&versions[0])?, scene.set(&versions[1])?];
    sets[0].apply()?;
    ensure!(our_links()?.len() == LINKS.len());
    let before = count(versions)?;
    event()?;
    let per_event = since(&before, versions)?;

    let before = count(versions)?;
    let (sent, applied) = while_sending(event, || swap(&sets))?;
    let seen = since(&before, versions)?;
    ensure!(sent > u64::from(SWAPS[0]), "only {sent} events");
    for (((name, _, way), seen), per_event) in LINKS.iter().zip(seen).zip(per_event) {
        let expected = sent * per_event;
        let is_right = match way {
            Way::InPlace | Way::InPlaceAlone => seen == expected && per_event > 0,
            // An event is several system calls, and the other thread makes some as well.
            Way::Beside => seen >= sent,
            Way::Gap => seen <= expected && per_event > 0,
        };
        ensure!(
            is_right,
            "{name}: {seen} runs, {sent} events, {per_event} each"
        );
    }
    applied.stop()?;
    Ok(())
}

/// Applies one version after the other.
fn swap(sets: &[LinkSet<'_>; 2]) -> Result<Applied> {
    let swaps = in_form(SWAPS[0], SWAPS[1]);
    let mut last = None;
    for (number, set) in (1..=swaps).zip(sets.iter().cycle().skip(1)) {
        let applied = set.apply()?;
        for (link, (_, _, way)) in applied.report().links.iter().zip(&LINKS) {
            let is_expected = match way {
                Way::InPlace | Way::InPlaceAlone => matches!(link.outcome, Outcome::Updated { .. }),
                Way::Beside => matches!(link.outcome, Outcome::Replaced { gap: false, .. }),
                Way::Gap => matches!(link.outcome, Outcome::Replaced { gap: true, .. }),
            };
            ensure!(is_expected, "swap {number}: {link}");
        }
        last = Some(applied);
    }
    last.context("there were swaps")
}
