//! Which links are shown.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use bpf_link::{LinkInfo, ProgramId, cgroup_id, netns_inode};
use bpf_link_typed::LinkInfoRef;
use bpf_link_typed::inspect::{LinkDescription, LinkDevice};
use rustix::fs::{Mode, OFlags};

use crate::args::{self, Named};

/// How many bytes of a program's name the kernel keeps.
const KEPT_OF_A_NAME: usize = 15;
/// The network namespace of this process.
pub(crate) const OWN_NETNS: &str = "/proc/thread-self/ns/net";

pub(crate) struct Filter<'a> {
    args: &'a args::Filter,
    netns: Option<u64>,
    /// Whether that is our own, where devices are looked up.
    is_own_netns: bool,
    cgroup: Option<u64>,
}

impl<'a> Filter<'a> {
    /// Finds out the inodes and ids of what was named by a path.
    pub(crate) fn new(args: &'a args::Filter) -> Result<Self> {
        let number = |named: &Option<Named<u64>>, ask: fn(&Path) -> Result<u64>| {
            let named = named.as_ref();
            let number = named.map(|named| match named {
                Named::Number(number) => Ok(*number),
                Named::Name(path) => ask(Path::new(path)),
            });
            number.transpose()
        };
        let netns = number(&args.netns, netns_at)?;
        Ok(Self {
            args,
            netns,
            is_own_netns: netns.is_some() && netns == netns_at(Path::new(OWN_NETNS)).ok(),
            cgroup: number(&args.cgroup, cgroup_at)?,
        })
    }

    pub(crate) fn needs_pins(&self) -> bool {
        self.args.pinned
    }

    pub(crate) fn needs_holders(&self) -> bool {
        self.args.pid.is_some()
    }

    /// Whether a link that is unchanged may be shown at one time and not at another.
    pub(crate) fn needs_more_than_info(&self) -> bool {
        self.needs_pins() || self.needs_holders()
    }

    /// Whether its kind and its program's id can rule a link out.
    pub(crate) fn is_by_numbers(&self) -> bool {
        !self.args.kinds.is_empty() || self.args.program.is_some()
    }

    /// Whether kind and program allow the link; what they rule out need not be looked at any
    /// further.
    pub(crate) fn may_show(&self, said: &LinkInfo) -> bool {
        let kinds = &self.args.kinds;
        let program = match &self.args.program {
            Some(Named::Number(id)) => said.program_id() == Some(*id),
            Some(Named::Name(_)) => said.program_id().is_some(),
            None => true,
        };
        program && (kinds.is_empty() || kinds.contains(&said.kind()))
    }

    /// Whether to show a link that `may_show` let through.
    pub(crate) fn shows(&self, link: &LinkDescription<'_>) -> bool {
        let args = self.args;
        let is_named = match (&args.program, link.info.program_id()) {
            (Some(Named::Name(name)), Some(id)) => has_name(link, id, name.as_bytes()),
            _ => true,
        };
        is_named
            && args
                .device
                .as_ref()
                .is_none_or(|device| is_on(link, device, self.netns.is_some()))
            && self.netns.is_none_or(|inode| self.is_in(link, inode))
            && self.cgroup.is_none_or(|id| link.cgroup_id() == Some(id))
            && (!args.defunct || link.is_defunct() == Some(true))
            && (!args.pinned || link.pinned.is_some_and(|pinned| !pinned.is_empty()))
            && args.pid.is_none_or(|pid| {
                let mut holders = link.holders.unwrap_or_default().iter();
                holders.any(|holder| holder.pid() == pid)
            })
    }

    fn is_in(&self, link: &LinkDescription<'_>, netns: u64) -> bool {
        match &link.info {
            LinkInfoRef::Netns(info) => info.netns_ino.map(u64::from) == Some(netns),
            _ => match link.device() {
                Some(LinkDevice::Here { .. }) => self.is_own_netns,
                device => device.and_then(|device| device.other_netns()) == Some(netns),
            },
        }
    }
}

/// Whether the program is called this. Where only the beginning of its name is known, that is
/// compared.
fn has_name(link: &LinkDescription<'_>, program: ProgramId, name: &[u8]) -> bool {
    let kept = link.names.program(program);
    let whole = link.names.program_name(program);
    let (Some(kept), Some(whole)) = (kept, whole) else {
        return false;
    };
    let (kept, whole) = (kept.name.to_bytes(), whole.to_bytes());
    let may_be_cut = whole == kept && kept.len() == KEPT_OF_A_NAME;
    name == whole || name == kept || may_be_cut && name.starts_with(kept)
}

/// Whether the link is on this device. A name is one of our own network namespace, unless another
/// one is asked for, too.
fn is_on(link: &LinkDescription<'_>, device: &Named<u32>, also_elsewhere: bool) -> bool {
    let Some(found) = link.device() else {
        return false;
    };
    match device {
        Named::Name(wanted) => {
            let is_asked_for = also_elsewhere || found.other_netns().is_none();
            let name = found.name().map(CStr::to_bytes);
            is_asked_for && name == Some(wanted.as_bytes())
        }
        Named::Number(wanted) => found.index() == Some(*wanted),
    }
}

fn netns_at(path: &Path) -> Result<u64> {
    let file = open(path, OFlags::empty())?;
    let inode = netns_inode(&file)?;
    inode.with_context(|| format!("{} is not a network namespace", path.display()))
}

fn cgroup_at(path: &Path) -> Result<u64> {
    let directory = open(path, OFlags::DIRECTORY)?;
    let id = cgroup_id(&directory)?;
    id.with_context(|| format!("{} is not a cgroup of a cgroup2 hierarchy", path.display()))
}

/// Opens only the path, as to open what is there may wait, or change something.
fn open(path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| path.display().to_string())
}
