//! Sets of links that are brought about together.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use bpf_link_tests::{Hook, Loader, Map, Program, links, pins};
use bpf_link_typed::{
    CgroupAttach, CgroupHook, IterAttach, LinkSet, NetfilterAttach, NetfilterFamily, NetfilterHook,
    NetnsAttach, NetnsHook, RawTracepointAttach, set::Stale,
};

use super::Operation;
use crate::run::Run;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("set_created", set_created).of_a_set(),
    Operation::new("set_refused", set_refused).of_a_set(),
    Operation::new("set_renamed", set_renamed).of_a_set(),
    Operation::new("set_upgraded", set_upgraded).of_a_set(),
];

const NAMES: [&str; 5] = ["dissector", "egress", "elements", "entry", "netfilter"];
const OTHER_NAMES: [&str; 5] = ["egress", "dissector", "netfilter", "elements", "more"];

/// The programs of a version of an agent.
struct Version {
    programs: [Program; 5],
}

impl Version {
    fn load() -> Result<Self> {
        let elements = Loader::new(Hook::ITERATOR).function("bpf_iter_bpf_map_elem")?;
        Ok(Self {
            programs: [
                Program::passing(Hook::FLOW_DISSECTOR)?,
                Program::passing(Hook::CGROUP_EGRESS)?,
                elements.passing()?,
                Program::passing(Hook::RAW_TRACEPOINT)?,
                Program::passing(Hook::NETFILTER)?,
            ],
        })
    }

    /// Two kinds that take one program, one of which is updated; two that are updated and take
    /// several; and one that is neither.
    fn set<'a>(
        &'a self,
        directory: &Path,
        map: &'a Map,
        cgroup: &'a Path,
        names: [&str; 5],
    ) -> Result<LinkSet<'a>> {
        let [dissector, egress, elements, entry, netfilter] = &self.programs;
        let mut set = LinkSet::in_dir(directory)
            .create_dir(0o700)
            .remove_stale(Stale::all())
            .wait_for_old(Duration::from_secs(1));
        let to = NetnsAttach::to("/proc/thread-self/ns/net", NetnsHook::FlowDissector);
        set.add(names[0], to, dissector)?;
        set.add(
            names[1],
            CgroupAttach::to(cgroup, CgroupHook::InetEgress),
            egress,
        )?;
        set.add(names[2], IterAttach::over_map(map), elements)?;
        set.add(names[3], RawTracepointAttach::to(c"sys_enter"), entry)?;
        let to = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, 6);
        set.add(names[4], to, netfilter)?;
        Ok(set)
    }

    /// Whether all links of these names run the programs of this version.
    fn runs(&self, directory: &Path, names: [&str; 5]) -> Result<bool> {
        for (name, program) in names.iter().zip(&self.programs) {
            let Ok(link) = pins::open(&directory.join(name)) else {
                return Ok(false);
            };
            let info = links::LinkInfo::of(&link)?;
            if info.program_id() != program.id()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Applies the set of a version where another runs under these names, or none.
fn apply(run: &mut Run<'_>, before: Option<[&str; 5]>, names: [&str; 5]) -> Result<()> {
    let (map, directory) = (Map::array(4, 1)?, run.path("agent"));
    let cgroup = run.sandbox.new_cgroup("agent")?;
    let [old, new] = [Version::load()?, Version::load()?];
    if let Some(names) = before {
        old.set(&directory, &map, cgroup.path(), names)?.apply()?;
    }
    let set = new.set(&directory, &map, cgroup.path(), names)?;
    let applied = run.attempt(|| set.apply())?;
    if let Some(applied) = applied {
        ensure!(new.runs(&directory, names)?, "not all are applied");
        let left = applied.report().pins_left.len();
        let pinned = run.sandbox.pinned()?;
        // One that is said not to be there is not removed.
        let expected = [5 + left, 6];
        ensure!(
            expected.contains(&pinned.len()),
            "{pinned:?}, {}",
            applied.report()
        );
    } else if let Some(names) = before {
        ensure!(old.runs(&directory, names)?, "not all are as before");
        ensure!(
            run.sandbox.pinned()?.len() == 5,
            "{:?}",
            run.sandbox.pinned()?
        );
    } else {
        ensure!(
            run.sandbox.pinned()?.is_empty(),
            "{:?}",
            run.sandbox.pinned()?
        );
    }
    let applied = set.apply()?;
    ensure!(applied.is_ours()? && new.runs(&directory, names)?);
    ensure!(
        run.sandbox.pinned()?.len() == 5,
        "{:?}",
        run.sandbox.pinned()?
    );
    applied.stop()?;
    std::fs::remove_dir(&directory)?;
    drop(set);
    cgroup.remove()
}

fn set_created(run: &mut Run<'_>) -> Result<()> {
    apply(run, None, NAMES)
}

fn set_upgraded(run: &mut Run<'_>) -> Result<()> {
    apply(run, Some(NAMES), NAMES)
}

fn set_renamed(run: &mut Run<'_>) -> Result<()> {
    apply(run, Some(NAMES), OTHER_NAMES)
}

/// A set with a link that the kernel refuses: what was made for it is removed again. Where that is
/// refused as well, the next set that is applied does it.
fn set_refused(run: &mut Run<'_>) -> Result<()> {
    let directory = run.path("agent");
    let entry = Program::passing(Hook::RAW_TRACEPOINT)?;
    let unknown = Program::passing(Hook::RAW_TRACEPOINT)?;
    let set = || -> Result<_> {
        let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
        set.add("entry", RawTracepointAttach::to(c"sys_enter"), &entry)?;
        Ok(set)
    };
    let mut refused = set()?;
    refused.add("unknown", RawTracepointAttach::to(c"no_such"), &unknown)?;
    run.attempt_in_vain(Some(libc::ENOENT), || refused.apply())?;
    set()?.apply()?.stop()?;
    let pinned = run.sandbox.pinned()?;
    ensure!(pinned.is_empty(), "{pinned:?}");
    std::fs::remove_dir(&directory)?;
    Ok(())
}
