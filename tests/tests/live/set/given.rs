//! Links whose options own the descriptors that they need.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Map, Program, Sandbox, iterator};
use bpf_link_typed::ensure::Outcome;
use bpf_link_typed::{IterAttach, IterTarget, LinkSet, MapId, SockmapAttach, SockmapHook};

use crate::ensure::end::ensure_nothing_left;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(maps_that_options_own).needs(Need::SOCKMAP)];

/// When the set is applied, on another thread, only the builders still own the maps.
fn maps_that_options_own(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let (sockets, elements) = (Map::sockmap(1)?, Map::hash(4, 4, 1)?);
    let ids = [sockets.id()?, elements.id()?];
    let (sockets, elements) = (OwnedFd::from(sockets), Arc::new(OwnedFd::from(elements)));
    let verdict = SockmapAttach::to(sockets, SockmapHook::MsgVerdict);
    let dump = IterAttach::over_map(elements);
    let programs = [
        Arc::new(Program::passing(Hook::SK_MSG_VERDICT)?),
        Arc::new(iterator("bpf_map_elem", *b"element\n")?),
    ];
    for is_there in [false, true] {
        let mut set: LinkSet<'static> = LinkSet::in_dir(&directory).create_dir(0o700);
        let [verdicts, dumps] = programs.clone();
        let verdict = set.add("verdict", verdict.clone(), verdicts)?;
        let dump = set.add("dump", dump.clone(), dumps)?;
        let applied = std::thread::spawn(move || set.apply()).join();
        let applied = applied.map_err(|_| anyhow::anyhow!("it panicked"))??;
        let verdict = applied.get(&verdict).context("it is there")?;
        let dump = applied.get(&dump).context("it is there")?;
        ensure!(verdict.link.info()?.map_id.map(MapId::get) == Some(ids[0]));
        let IterTarget::Map(found) = dump.link.info()?.target else {
            anyhow::bail!("{:?}", dump.link.info()?.target);
        };
        ensure!(found.get() == ids[1]);
        for outcome in [&verdict.outcome, &dump.outcome] {
            ensure!(matches!(outcome, Outcome::AlreadyRunning) == is_there);
        }
        if is_there {
            applied.stop()?;
        }
    }
    ensure_nothing_left(sandbox)
}
