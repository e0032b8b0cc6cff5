//! Attaching the callbacks of a map.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{LinkCreate, MapInfo, ProgramInfo, RawLink, Target};

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
    /// [`Error::Link`](crate::Error::Link) with [`Command`](bpf_link::Error::Command) and
    ///
    /// - `EINVAL`: it is not such a map, it was created without `BPF_F_LINK`, it has no value yet,
    ///   or this kernel has no such links;
    /// - `EBADF`: its descriptor was opened with `O_PATH`;
    /// - what the subsystem answers, such as `EEXIST` for a TCP congestion control whose name is
    ///   taken.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.4; it ends in `bpf_struct_ops_link_create` (7.3).
    pub fn attach(&self) -> Result<StructOpsLink> {
        RawLink::create(&LinkCreate::struct_ops(&self.map))
            .map(StructOpsLink)
            .map_err(|source| refused(self.map.as_fd(), source))
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
