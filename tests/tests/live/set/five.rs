//! A set of five links, with programs that count.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Cgroup, Hook, Loader, Map, Sandbox, eventually_holds};
use bpf_link_typed::{Link, LinkId, LinkSet, ProgramId, ensure::Attached};

use crate::ensure::end::our_links;
use crate::fixture::traffic::send_packet;
use crate::set::kinds::{Kinds, Places, read};
use crate::suites::conformance::Counting;

impl Kinds {
    /// A version of an agent.
    pub(super) fn load(self) -> Result<Version> {
        let beside = Loader::new(Hook::RAW_TRACEPOINT).in_this_process();
        let programs = self.loaders(beside)?.map(Counting::loaded);
        let programs = programs.into_iter().collect::<Result<Vec<_>>>()?;
        let programs = programs.try_into().map_err(|_| anyhow!("not five"))?;
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
    elements: Map,
}

/// The programs of a version of an agent, in the order of the names.
pub(super) struct Version {
    pub(super) programs: [Counting; 5],
}

impl Version {
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

/// Each link has its program, is pinned by its name and not by another, and there is no other link:
/// their ids, in the order of the names.
pub(super) fn ensure_pinned(
    sandbox: &Sandbox,
    directory: &Path,
    names: [&str; 5],
    programs: [Attached; 5],
) -> Result<[LinkId; 5]> {
    let paths = names.map(|name| directory.join(name));
    let mut ids = Vec::new();
    for (path, program) in paths.iter().zip(programs) {
        let link = Link::from_pinned(path)?;
        let found = link.info()?.program_id().map(Attached::Program);
        ensure!(found == Some(program), "{}: {found:?}", path.display());
        ids.push(link.id()?);
    }
    let (mut expected, mut pinned) = (paths.to_vec(), sandbox.pinned()?);
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

impl<'a> Five<'a> {
    pub(super) fn of(sandbox: &'a Sandbox, kinds: Kinds) -> Result<Self> {
        Ok(Self {
            sandbox,
            directory: sandbox.bpffs().join("agent"),
            cgroup: sandbox.new_cgroup("agent")?,
            kinds,
            elements: Map::array(4, 1)?,
        })
    }

    /// The set of this version, with these names.
    pub(super) fn set<'b>(&'b self, version: &'b Version, names: [&str; 5]) -> Result<LinkSet<'b>> {
        let mut set = LinkSet::in_dir(&self.directory).create_dir(0o700);
        let places = Places {
            cgroup: self.cgroup.path(),
            elements: &self.elements,
            process: std::process::id(),
        };
        self.kinds
            .add(&mut set, names, places, version.programs.each_ref())?;
        Ok(set)
    }

    /// The names of the links, unless others are given.
    pub(super) fn names(&self) -> [&'static str; 5] {
        self.kinds.names()
    }

    pub(super) fn plain<'b>(&'b self, version: &'b Version) -> Result<LinkSet<'b>> {
        self.set(version, self.names())
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// As [`ensure_pinned`], and each program runs.
    pub(super) fn ensure_runs(&self, version: &Version, names: [&str; 5]) -> Result<[LinkId; 5]> {
        let ids = ensure_pinned(self.sandbox, &self.directory, names, version.ids()?)?;
        for (name, program) in names.iter().zip(&version.programs) {
            ensure!(program.runs(|| self.event())?, "{name} does not run");
        }
        Ok(ids)
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
                read(&link)?;
            }
        }
        Ok(())
    }
}
