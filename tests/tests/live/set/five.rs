//! A set of five kinds: updated in place (xdp, tcx, cgroup), replaced beside the old
//! (`raw_tracepoint`), and replaced after it (netfilter).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Cgroup, Hook, Loader, Sandbox, eventually_holds};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, Link, LinkId, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, ProgramId, RawTracepointAttach, TcxAttach, TcxHook, XdpAttach, ensure::Attached,
};

use crate::ensure::end::our_links;
use crate::fixture::traffic::send_packet;
use crate::suites::conformance::Counting;

/// The names of the links.
pub(super) const NAMES: [&str; 5] = ["xdp", "tcx", "cgroup", "entry", "netfilter"];

/// A place for such sets.
pub(super) struct Five<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) directory: PathBuf,
    pub(super) cgroup: Cgroup,
}

/// The programs of a version of an agent, in the order of the names.
pub(super) struct Version {
    pub(super) programs: [Counting; 5],
}

impl Version {
    pub(super) fn load() -> Result<Self> {
        let load = |hook| Counting::loaded(Loader::new(hook).in_this_process());
        Ok(Self {
            programs: [
                Counting::program(Hook::XDP)?,
                Counting::program(Hook::TCX_INGRESS)?,
                Counting::program(Hook::CGROUP_EGRESS)?,
                load(Hook::RAW_TRACEPOINT)?,
                Counting::program(Hook::NETFILTER)?,
            ],
        })
    }

    pub(super) fn ids(&self) -> Result<[Attached; 5]> {
        let [xdp, tcx, cgroup, entry, netfilter] = self.programs.each_ref().map(attached);
        Ok([xdp?, tcx?, cgroup?, entry?, netfilter?])
    }
}

/// The program, as outcomes have it.
pub(super) fn attached(program: &Counting) -> Result<Attached> {
    let id = program.program_id().and_then(ProgramId::new);
    Ok(Attached::Program(id.context("it has an id")?))
}

impl<'a> Five<'a> {
    pub(super) fn new(sandbox: &'a Sandbox) -> Result<Self> {
        Ok(Self {
            sandbox,
            directory: sandbox.bpffs().join("agent"),
            cgroup: sandbox.new_cgroup("agent")?,
        })
    }

    /// The set of this version, with these names.
    pub(super) fn set<'b>(&'b self, version: &'b Version, names: [&str; 5]) -> Result<LinkSet<'b>> {
        let mut set = LinkSet::in_dir(&self.directory).create_dir(0o700);
        add(&mut set, version, self.cgroup.path(), names)?;
        Ok(set)
    }

    pub(super) fn plain<'b>(&'b self, version: &'b Version) -> Result<LinkSet<'b>> {
        self.set(version, NAMES)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Each link runs its program, is pinned by its name and not by another, and there is no other
    /// link: their ids, in the order of the names.
    pub(super) fn ensure_runs(&self, version: &Version, names: [&str; 5]) -> Result<[LinkId; 5]> {
        let mut ids = Vec::new();
        for (name, program) in names.iter().zip(&version.programs) {
            let link = Link::from_pinned(self.at(name))?;
            let found = link.info()?.program_id().map(Attached::Program);
            ensure!(found == Some(attached(program)?), "{name}: {found:?}");
            ensure!(program.runs(|| self.event())?, "{name} does not run");
            ids.push(link.id()?);
        }
        let mut expected: Vec<PathBuf> = names.iter().map(|name| self.at(name)).collect();
        let mut pinned = self.sandbox.pinned()?;
        expected.sort();
        pinned.sort();
        ensure!(pinned == expected, "{pinned:?}");
        let mut expected: Vec<u32> = ids.iter().map(|id| id.get()).collect();
        expected.sort_unstable();
        eventually_holds("these links and no others", || {
            let mut links = our_links()?;
            links.sort_unstable();
            Ok(links == expected)
        })?;
        ids.try_into().map_err(|_| anyhow!("not five"))
    }

    /// Makes each of the programs run.
    pub(super) fn event(&self) -> Result<()> {
        self.cgroup.inside(send_packet)
    }
}

/// Adds the links of a version.
pub(super) fn add<'a>(
    set: &mut LinkSet<'a>,
    version: &'a Version,
    cgroup: &'a Path,
    [xdp, tcx, egress, entry, netfilter]: [&str; 5],
) -> Result<()> {
    let [
        xdp_program,
        tcx_program,
        egress_program,
        entry_program,
        netfilter_program,
    ] = &version.programs;
    set.add(xdp, XdpAttach::to("lo"), xdp_program)?;
    set.add(tcx, TcxAttach::to("lo", TcxHook::Ingress), tcx_program)?;
    let to = CgroupAttach::to(cgroup, CgroupHook::InetEgress);
    set.add(egress, to, egress_program)?;
    set.add(entry, RawTracepointAttach::to(c"sys_enter"), entry_program)?;
    let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, PRIORITY);
    set.add(netfilter, to, netfilter_program)?;
    Ok(())
}

pub(super) const PRIORITY: i32 = -10_000;
