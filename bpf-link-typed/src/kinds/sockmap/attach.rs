//! Attaching to a sockmap or sockhash.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{Hook, LinkCreate, LinkKind, MapInfo, RawLink};

use super::SockmapLink;
use super::hook::SockmapHook;
use crate::attach::fd_ref::FdRef;
use crate::attach::fit;
use crate::attach::holders;
use crate::error::{Error, Result};

/// Attaches a program to the sockets of a sockmap or sockhash.
///
/// ```no_run
/// use bpf_link_typed::{SockmapAttach, SockmapHook};
///
/// # fn example(map: std::fs::File, program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = SockmapAttach::to(&map, SockmapHook::MsgVerdict).attach(&program)?;
/// println!("map {:?}", link.info()?.map_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct SockmapAttach<'a> {
    pub(super) map: FdRef<'a>,
    pub(super) hook: SockmapHook,
}

impl<'a> SockmapAttach<'a> {
    /// To this map.
    pub fn to(map: impl Into<FdRef<'a>>, hook: SockmapHook) -> Self {
        Self {
            map: map.into(),
            hook,
        }
    }

    /// Attaches the program: it runs as long as the link has a descriptor or a pin. The link keeps
    /// the map.
    ///
    /// The caller keeps the program, and the map if it was lent. A program that is attached without
    /// a link is replaced for good: the kernel does not refuse that.
    ///
    /// # Errors
    ///
    /// - [`Error::HookTaken`] (`EBUSY`): the map has a link for this, or for what excludes it.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is of another type.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram) and [`NotAMap`](bpf_link::Error::NotAMap):
    ///     a map was given as the program, or a program as the map;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EOPNOTSUPP`);
    ///   - [`Command`](bpf_link::Error::Command) and
    ///     - `EINVAL`: the descriptor is not that of a sockmap or sockhash, or this kernel has no
    ///       such links;
    ///     - `EBADF`: the map's descriptor was opened with `O_PATH`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.10; it ends in `sock_map_link_create` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<SockmapLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<SockmapLink> {
        let request = LinkCreate::new(&program, self.hook.attach_type()).target_fd(&self.map);
        match RawLink::create(&request) {
            Ok(link) => Ok(SockmapLink(link)),
            Err(source) => Err(match source.errno() {
                Some(libc::EBUSY) => holders::unknown(source),
                _ => fit::or_no_map(self.map.as_fd(), source, |source| {
                    fit::by_type(program, self.hook.attach_type(), source)
                }),
            }),
        }
    }

    /// Adds the program of the slot, or of the other one that excludes it.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            let map = MapInfo::of(&self.map).ok()?;
            let mut found = Vec::new();
            for slot in SockmapHook::ALL {
                if slot.exclusive() != self.hook.exclusive() {
                    continue;
                }
                let hook = Hook::of_fd(slot.attach_type(), &self.map);
                let there = holders::queried(&hook, LinkKind::Sockmap, |link| {
                    let info = SockmapLink(link).info().ok()?;
                    let is_here = info.map_id == Some(map.id) && info.attach_type == *slot;
                    info.program_id.filter(|_| is_here)
                });
                // The query of a slot that another excludes is refused, too.
                found.extend(there.unwrap_or_default());
            }
            Some(found)
        })
    }
}
