//! Attaching the callbacks of a map.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{LinkCreate, MapInfo, ProgramInfo, RawLink, StructOpsMap, Target};

use super::StructOpsLink;
use crate::attach::fd_ref::FdRef;
use crate::attach::holders;
use crate::error::{Error, Result};

/// Attaches the callbacks of a `struct_ops` map, which takes the place of a program.
///
/// ```no_run
/// use bpf_link_typed::StructOpsAttach;
///
/// # fn example(map: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = StructOpsAttach::of(&map).attach()?;
/// println!("map {:?}", link.info()?.map_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct StructOpsAttach<'a> {
    pub(super) map: FdRef<'a>,
}

impl<'a> StructOpsAttach<'a> {
    /// Of this map, which was created with `BPF_F_LINK` and has its value.
    pub fn of(map: impl Into<FdRef<'a>>) -> Self {
        Self { map: map.into() }
    }

    /// Attaches the callbacks: they are in use as long as the link has a descriptor or a pin.
    ///
    /// A map that was lent stays the caller's.
    ///
    /// # Errors
    ///
    /// [`Error::HookTaken`] (`EEXIST`): the name of the callbacks is taken, such as that of a TCP
    /// congestion control, by another map or by the kernel's own. [`Error::Link`] with
    /// [`NotAMap`](bpf_link::Error::NotAMap), or with [`Command`](bpf_link::Error::Command) and
    ///
    /// - `EINVAL`: it is not such a map, it was created without `BPF_F_LINK`, it has no value yet,
    ///   or this kernel has no such links;
    /// - `EBADF`: its descriptor was opened with `O_PATH`;
    /// - what else the subsystem answers.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.4; it ends in `bpf_struct_ops_link_create` (7.3).
    pub fn attach(&self) -> Result<StructOpsLink> {
        Self::create_link(self.map.as_fd()).map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(map: BorrowedFd<'_>) -> Result<StructOpsLink> {
        RawLink::create(&LinkCreate::struct_ops(&map))
            .map(StructOpsLink)
            .map_err(|source| refused(map, source))
    }

    /// Adds the map that registered the name. The list stays empty if the kernel itself did.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            let wanted = StructOpsMap::of(&self.map).ok()??;
            let name = wanted.registered_name?;
            let value_type = wanted.map.btf_vmlinux_value_type_id;
            let maps = StructOpsMap::all().ok()?;
            let named = maps.into_iter().filter(|found| {
                found.map.btf_vmlinux_value_type_id == value_type
                    && found.registered_name.as_ref() == Some(&name)
            });
            holders::of_maps(named)
        })
    }
}

fn refused(map: BorrowedFd<'_>, source: bpf_link::Error) -> Error {
    match source.errno() {
        Some(libc::EEXIST) => holders::unknown(source),
        Some(libc::EINVAL) => match MapInfo::of(&map) {
            Err(bpf_link::Error::NotAMap(_)) => {
                let program = ProgramInfo::of(&map).ok();
                let target = program.map_or(Target::Descriptor, |info| Target::Program(info.id));
                bpf_link::Error::NotAMap(target).into()
            }
            _ => source.into(),
        },
        _ => source.into(),
    }
}
