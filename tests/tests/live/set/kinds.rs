//! The kinds of the links of a set of five, and how each comes to run another program.

use std::io::Read as _;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context as _, Result};
use bpf_link_tests::{Hook, Loader, Map, own_code};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, IterLink, LinkSet, NetfilterAttach, NetfilterFamily,
    NetfilterHook, NetnsAttach, NetnsHook, RawTracepointAttach, TcxAttach, TcxHook,
    UprobeMultiAttach, XdpAttach, attach::When,
};

use crate::functions::own::{first, offset_of};
use crate::harness::{Need, Test};

/// Says that a test needs what the links of [`Kinds::OfEachSort`] do.
pub(super) const fn of_each_sort(test: Test) -> Test {
    test.needs(Need::TCX).also_needs(Need::NETFILTER)
}

/// The same for [`Kinds::WithAProbe`].
pub(super) const fn with_a_probe(test: Test) -> Test {
    of_each_sort(test).also_needs(Need::UPROBE_MULTI)
}

pub(super) const PRIORITY: i32 = -10_000;

/// The kinds of five links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// One that is replaced in each way.
    OfEachSort,
    /// The same with a probe in place of the tracepoint.
    WithAProbe,
    /// Those that every kernel has.
    OfEachKernel,
}

/// How a link comes to run another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In place: each event is counted by exactly one version.
    InPlace,
    /// The same, on a hook that takes one program.
    InPlaceAlone,
    /// A new link is attached beside the old: by one at least.
    Beside,
    /// On a hook that takes one program, by a new link after the old: by one at most.
    Gap,
}

/// What the links are attached to.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) cgroup: &'a Path,
    /// What an iterator goes over.
    pub(super) elements: &'a Map,
    /// Whose [`first`] is probed.
    pub(super) process: u32,
}

impl Kinds {
    const ALL: [Self; 3] = [Self::OfEachSort, Self::WithAProbe, Self::OfEachKernel];

    /// What this is called on a command line.
    pub(super) fn word(self) -> String {
        format!("{self:?}")
    }

    pub(super) fn from_word(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kinds| kinds.word() == word);
        found.with_context(|| format!("no such kinds: {word}"))
    }

    /// The names of the links.
    pub(super) fn names(self) -> [&'static str; 5] {
        match self {
            Self::OfEachSort => ["xdp", "tcx", "cgroup", "entry", "netfilter"],
            Self::WithAProbe => ["xdp", "tcx", "cgroup", "uprobe", "netfilter"],
            Self::OfEachKernel => ["xdp", "cgroup", "lookup", "elements", "entry"],
        }
    }

    pub(super) fn ways(self) -> [Way; 5] {
        use Way::{Beside, Gap, InPlace, InPlaceAlone};
        match self {
            Self::OfEachSort | Self::WithAProbe => [InPlaceAlone, InPlace, InPlace, Beside, Gap],
            Self::OfEachKernel => [InPlaceAlone, InPlace, InPlace, InPlace, Beside],
        }
    }

    /// How often each program runs for an event. That of an iterator runs for the element, and at
    /// the end.
    pub(super) fn per_event(self) -> [u64; 5] {
        self.names().map(|name| 1 + u64::from(name == "elements"))
    }

    /// What loads the programs. `beside` loads that of the link that is replaced beside the old.
    pub(super) fn loaders(self, beside: Loader) -> Result<[Loader; 5]> {
        Ok(match self {
            Self::OfEachSort | Self::WithAProbe => [
                Loader::new(Hook::XDP),
                Loader::new(Hook::TCX_INGRESS),
                Loader::new(Hook::CGROUP_EGRESS),
                beside,
                Loader::new(Hook::NETFILTER),
            ],
            Self::OfEachKernel => [
                Loader::new(Hook::XDP),
                Loader::new(Hook::CGROUP_EGRESS),
                Loader::new(Hook::SK_LOOKUP),
                Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?,
                beside,
            ],
        })
    }

    /// The link of the iterator, where there is one, of links that are pinned by these names.
    pub(super) fn iterator(self, directory: &Path, names: [&str; 5]) -> Result<Option<IterLink>> {
        let [.., elements, _] = names;
        Ok(match self {
            Self::OfEachSort | Self::WithAProbe => None,
            Self::OfEachKernel => Some(IterLink::from_pinned(directory.join(elements))?),
        })
    }

    /// Adds a link of each kind to the set.
    pub(super) fn add<'a>(
        self,
        set: &mut LinkSet<'a>,
        names: [&str; 5],
        places: Places<'a>,
        [first_program, second, third, fourth, fifth]: [&'a (impl AsFd + Sync); 5],
    ) -> Result<()> {
        let egress = CgroupAttach::to(places.cgroup, CgroupHook::InetEgress);
        let entry = RawTracepointAttach::to(c"sys_enter");
        set.add(names[0], XdpAttach::to("lo"), first_program)?;
        if self == Self::OfEachKernel {
            let lookup = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::SkLookup);
            set.add(names[1], egress, second)?;
            set.add(names[2], lookup, third)?;
            set.add(names[3], IterAttach::over_map(places.elements), fourth)?;
            set.add(names[4], entry, fifth)?;
            return Ok(());
        }
        set.add(names[1], TcxAttach::to("lo", TcxHook::Ingress), second)?;
        set.add(names[2], egress, third)?;
        if self == Self::WithAProbe {
            let offsets = vec![offset_of(first)?];
            let probe = UprobeMultiAttach::to(own_code::FILE, When::Entry, offsets);
            set.add(names[3], probe.pid(places.process), fourth)?;
        } else {
            set.add(names[3], entry, fourth)?;
        }
        let (family, hook) = (NetfilterFamily::Ipv4, NetfilterHook::PostRouting);
        set.add(names[4], NetfilterAttach::to(family, hook, PRIORITY), fifth)?;
        Ok(())
    }
}

/// Has the program of an iterator run.
pub(super) fn read(elements: &IterLink) -> Result<()> {
    elements.create_iter()?.read_to_end(&mut Vec::new())?;
    Ok(())
}
