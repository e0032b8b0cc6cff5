//! Pins, updates and detaching.

use std::fs::File;

use anyhow::Result;
use bpf_link::{Update, UpdateFlags};
use bpf_link_typed::{CgroupLink, Link, StructOpsLink, TcxLink, XdpLink};

use super::{given, keep};

fn compiled() -> Result<()> {
    let link: Link = given();
    let map: File = given();
    let old: File = given();
    let new: File = given();
    let mut xdp_link: XdpLink = given();
    let tcx_link: TcxLink = given();
    let cgroup_link: CgroupLink = given();
    let directory: File = given();
    let struct_ops_link: StructOpsLink = given();
    xdp_link.pin("/sys/fs/bpf/eth0")?;
    keep(XdpLink::from_pinned("/sys/fs/bpf/eth0")?);
    xdp_link.unpin()?;
    xdp_link.update(&new)?;
    xdp_link.replace(&old, &new)?;
    tcx_link.update(&new)?;
    cgroup_link.update(&new)?;
    xdp_link.detach()?;
    keep(xdp_link.pin_path().is_some());
    xdp_link.as_raw().update(
        Update::program(&new)
            .flags(UpdateFlags::REPLACE)
            .expecting(&old),
    )?;
    struct_ops_link.update(&map)?;
    xdp_link.pin_at(&directory, "eth0")?;
    keep(Link::from_pinned_at(&directory, "eth0")?);
    drop(link);
    Ok(())
}
