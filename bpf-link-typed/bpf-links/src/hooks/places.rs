//! The places that arguments name, or all of them.

use std::path::Path;

use anyhow::{Context as _, Result};
use bpf_link::{Error as LinkError, cgroup_id, netns_inode, open_map, open_pinned_map};
use bpf_link_typed::inspect::Names;
use bpf_link_typed::inspect::hooks::{AttachPoint, CgroupOrigin, HookInspector, PlaceHooks};
use bpf_link_typed::{Error, Netns};
use rustix::fs::{Mode, OFlags};

use crate::args::{Hooks, Place};
use crate::failure::Refused;
use crate::filter::OWN_NETNS;
use crate::notes::Notes;

/// What the arguments name. What is refused is reported.
pub(super) fn named(
    inspector: &mut HookInspector,
    args: &Hooks,
    refused: &mut Refused,
) -> Vec<PlaceHooks> {
    let mut found = Vec::new();
    for place in &args.places {
        match one(inspector, place, args.netns.as_deref()) {
            Ok(hooks) => found.push(hooks),
            Err(error) => refused.add(&error),
        }
    }
    found
}

fn one(inspector: &mut HookInspector, place: &Place, netns: Option<&Path>) -> Result<PlaceHooks> {
    Ok(match place {
        Place::Device(device) => inspector.device(match netns {
            Some(netns) => device.clone().in_netns(netns),
            None => device.clone(),
        })?,
        Place::Map(id) => inspector.sockmap(open_map(*id)?)?,
        Place::Path(path) => at(inspector, path)?,
    })
}

/// What is at this path, which is opened only as a path to find out what it is.
fn at(inspector: &mut HookInspector, path: &Path) -> Result<PlaceHooks> {
    let place = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let place = place.with_context(|| path.display().to_string())?;
    if cgroup_id(&place)?.is_some() {
        return Ok(inspector.cgroup(path)?);
    }
    if netns_inode(&place)?.is_some() {
        return Ok(inspector.netns(path)?);
    }
    let map = match open_pinned_map(path) {
        Err(LinkError::NotOnBpffs { .. }) => anyhow::bail!(
            "{} is not a cgroup, a network namespace or a pinned map",
            path.display()
        ),
        map => map?,
    };
    let hooks = inspector.sockmap(map);
    hooks.with_context(|| path.display().to_string())
}

/// All devices of this network namespace and the namespace itself; and for that of this process,
/// all cgroups, with what is attached to each directly.
pub(super) fn all(
    inspector: &mut HookInspector,
    netns: Option<&Path>,
    names: &Names,
    notes: &Notes,
) -> Result<Vec<PlaceHooks>> {
    let mut found = inspector.devices(netns.map(Netns::from).as_ref())?;
    found.push(inspector.netns(netns.unwrap_or(Path::new(OWN_NETNS)))?);
    if netns.is_none() {
        for path in names.cgroups() {
            match inspector.cgroup(&*path) {
                Ok(mut hooks) => {
                    hooks
                        .programs
                        .retain(|program| !is_inherited(&program.point));
                    found.push(hooks);
                }
                // Cgroups come and go.
                Err(Error::File { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => notes.add("some cgroups are not shown", error),
            }
        }
    }
    found.retain(|hooks| !hooks.is_empty() || !hooks.notes.is_empty());
    Ok(found)
}

fn is_inherited(point: &AttachPoint) -> bool {
    matches!(
        point,
        AttachPoint::Cgroup {
            origin: CgroupOrigin::Ancestor { .. },
            ..
        }
    )
}
