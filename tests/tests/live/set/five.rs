//! A set of five kinds. There are two: one of each sort, and one of kinds that every kernel has.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Cgroup, Hook, Loader, Map, Sandbox, eventually_holds};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, Link, LinkId, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, ProgramId, RawTracepointAttach, TcxAttach, TcxHook,
    XdpAttach, ensure::Attached,
};

use crate::ensure::end::our_links;
use crate::fixture::traffic::send_packet;
use crate::suites::conformance::Counting;

/// The names of the links of one of each sort.
pub(super) const NAMES: [&str; 5] = ["xdp", "tcx", "cgroup", "entry", "netfilter"];

/// The names of those that every kernel has.
const OLD_NAMES: [&str; 5] = ["xdp", "cgroup", "lookup", "elements", "entry"];

/// The kinds of the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Updated in place (xdp, tcx, cgroup), replaced beside the old (`raw_tracepoint`), and
    /// replaced after it (netfilter).
    OfEachSort,
    /// Updated in place (xdp, cgroup, netns, iter), and replaced beside the old
    /// (`raw_tracepoint`).
    OfEachKernel,
}

impl Kinds {
    /// The names of the links.
    pub(super) fn names(self) -> [&'static str; 5] {
        match self {
            Self::OfEachSort => NAMES,
            Self::OfEachKernel => OLD_NAMES,
        }
    }

    /// How many of them are updated in place: the first ones.
    pub(super) fn in_place(self) -> usize {
        match self {
            Self::OfEachSort => 3,
            Self::OfEachKernel => 4,
        }
    }

    /// A version of an agent.
    pub(super) fn load(self) -> Result<Version> {
        let entry = || Counting::loaded(Loader::new(Hook::RAW_TRACEPOINT).in_this_process());
        let programs = match self {
            Self::OfEachSort => [
                Counting::program(Hook::XDP)?,
                Counting::program(Hook::TCX_INGRESS)?,
                Counting::program(Hook::CGROUP_EGRESS)?,
                entry()?,
                Counting::program(Hook::NETFILTER)?,
            ],
            Self::OfEachKernel => [
                Counting::program(Hook::XDP)?,
                Counting::program(Hook::CGROUP_EGRESS)?,
                Counting::program(Hook::SK_LOOKUP)?,
                Counting::loaded(Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?)?,
                entry()?,
            ],
        };
        Ok(Version { programs })
    }
}

/// A place for such sets.
pub(super) struct Five<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) directory: PathBuf,
    pub(super) cgroup: Cgroup,
    pub(super) kinds: Kinds,
    /// What the iterator goes over.
    map: Map,
}

/// The programs of a version of an agent, in the order of the names.
pub(super) struct Version {
    pub(super) programs: [Counting; 5],
}

impl Version {
    /// One of each sort.
    pub(super) fn load() -> Result<Self> {
        Kinds::OfEachSort.load()
    }

    pub(super) fn ids(&self) -> Result<[Attached; 5]> {
        let [first, second, third, fourth, fifth] = self.programs.each_ref().map(attached);
        Ok([first?, second?, third?, fourth?, fifth?])
    }
}

/// The program, as outcomes have it.
pub(super) fn attached(program: &Counting) -> Result<Attached> {
    let id = program.program_id().and_then(ProgramId::new);
    Ok(Attached::Program(id.context("it has an id")?))
}

impl<'a> Five<'a> {
    /// One of each sort.
    pub(super) fn new(sandbox: &'a Sandbox) -> Result<Self> {
        Self::of(sandbox, Kinds::OfEachSort)
    }

    pub(super) fn of(sandbox: &'a Sandbox, kinds: Kinds) -> Result<Self> {
        Ok(Self {
            sandbox,
            directory: sandbox.bpffs().join("agent"),
            cgroup: sandbox.new_cgroup("agent")?,
            kinds,
            map: Map::array(4, 1)?,
        })
    }

    /// The set of this version, with these names.
    pub(super) fn set<'b>(&'b self, version: &'b Version, names: [&str; 5]) -> Result<LinkSet<'b>> {
        let mut set = LinkSet::in_dir(&self.directory).create_dir(0o700);
        let [first, second, third, fourth, fifth] = &version.programs;
        let egress = CgroupAttach::to(self.cgroup.path(), CgroupHook::InetEgress);
        set.add(names[0], XdpAttach::to("lo"), first)?;
        match self.kinds {
            Kinds::OfEachSort => {
                set.add(names[1], TcxAttach::to("lo", TcxHook::Ingress), second)?;
                set.add(names[2], egress, third)?;
                set.add(names[3], RawTracepointAttach::to(c"sys_enter"), fourth)?;
                let (family, hook) = (NetfilterFamily::Ipv4, NetfilterHook::PostRouting);
                let to = NetfilterAttach::to(family, hook, PRIORITY);
                set.add(names[4], to, fifth)?;
            }
            Kinds::OfEachKernel => {
                set.add(names[1], egress, second)?;
                let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
                set.add(names[2], to, third)?;
                set.add(names[3], IterAttach::over_map(&self.map), fourth)?;
                set.add(names[4], RawTracepointAttach::to(c"sys_enter"), fifth)?;
            }
        }
        Ok(set)
    }

    pub(super) fn plain<'b>(&'b self, version: &'b Version) -> Result<LinkSet<'b>> {
        self.set(version, self.kinds.names())
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
        if self.kinds == Kinds::OfEachKernel {
            self.read_elements()?;
        }
        self.cgroup.inside(send_packet)
    }

    /// Reads the iterator, whatever its name.
    fn read_elements(&self) -> Result<()> {
        for pin in self.sandbox.pinned()? {
            let link = Link::from_pinned(pin)?;
            if let Link::Iter(link) = link {
                link.create_iter()?.read_to_end(&mut Vec::new())?;
            }
        }
        Ok(())
    }
}

pub(super) const PRIORITY: i32 = -10_000;
