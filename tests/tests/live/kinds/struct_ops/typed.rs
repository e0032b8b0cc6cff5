//! `struct_ops` links through their type: attaching, info, and what is refused.

use std::fs::File;

use anyhow::{Result, ensure};
use bpf_link::{LinkCreate, RawLink};
use bpf_link_tests::{CongestionControl, Map, Sandbox};
use bpf_link_typed::{Error, MapId, StructOpsAttach, StructOpsLink};

use crate::fixture::attaching::{ensure_error, only_a_path, without};
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { StructOpsLink: create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::STRUCT_OPS),
    test!(more_errors).needs(Need::STRUCT_OPS),
    test!(without).needs(without!("bpf_attach_type", "BPF_STRUCT_OPS")),
    test!(info).needs(Need::STRUCT_OPS),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("attach")?;
    let link = StructOpsAttach::of(&map).attach()?;
    ensure!(link.info()?.map_id == MapId::new(map.id()?));
    let same_name = CongestionControl::new("attach")?;
    ensure_error!(
        StructOpsAttach::of(&same_name).attach(),
        Error::HookTaken { .. },
        Some(libc::EEXIST),
        &[&format!("map {}", same_name.id()?)]
    );
    let array = Map::array(4, 1)?;
    ensure_error!(
        StructOpsAttach::of(&array).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &[&format!("map {}", array.id()?)]
    );
    Ok(())
}

fn more_errors(_sandbox: &Sandbox) -> Result<()> {
    let (file, path) = (
        File::open("/proc/self/comm")?,
        only_a_path("/proc/self/comm")?,
    );
    let refused = StructOpsAttach::of(&file).attach();
    ensure!(
        matches!(refused, Err(Error::Link(bpf_link::Error::NotAMap(_)))),
        "{refused:?}"
    );
    ensure_error!(
        StructOpsAttach::of(&path).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EBADF),
        &["hook struct_ops"]
    );
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    ensure_error!(
        StructOpsAttach::of(&Map::array(4, 1)?).attach(),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EINVAL),
        &["struct_ops"]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let map = CongestionControl::new("typed")?;
    let link = StructOpsLink::try_from(RawLink::create(&LinkCreate::struct_ops(&map))?)?;
    let info = link.info()?;
    ensure!(info.program_id.is_none() && info.map_id == MapId::new(map.id()?));
    ensure!(info.is_defunct() == Some(false));
    if Need::Linux(6, 11).missing()?.is_none() {
        link.detach()?;
        let info = link.info()?;
        ensure!(info.map_id.is_none() && info.is_defunct() == Some(true));
    }
    Ok(())
}
