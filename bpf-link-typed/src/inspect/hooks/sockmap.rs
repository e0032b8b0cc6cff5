//! What is attached to a map of sockets.

use std::os::fd::AsFd;

use bpf_link::MapInfo;

use super::attached::AttachPoint;
use super::inspector::HookInspector;
use super::links::LinkPlace;
use super::note::Notes;
use super::place::{HookPlace, PlaceHooks};
use crate::error::{Error, Result};
use crate::kinds::SockmapHook;

impl HookInspector {
    /// What is attached to this sockmap or sockhash.
    ///
    /// # Errors
    ///
    /// [`Error::Link`](crate::Error::Link) with
    ///
    /// - [`NotAMap`](bpf_link::Error::NotAMap): the descriptor is not a map;
    /// - [`Command`](bpf_link::Error::Command) and `EOPNOTSUPP`: the map is of another type;
    /// - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): before Linux 5.19, the
    ///   caller lacks `CAP_BPF`.
    ///
    /// Hooks that cannot be queried are in the notes: without `CAP_NET_ADMIN`, and before Linux
    /// 5.19, where maps have programs but the kernel has no query for them.
    ///
    /// # Kernel
    ///
    /// As [`SockmapHook::query`](crate::SockmapHook::query).
    pub fn sockmap(&mut self, map: impl AsFd) -> Result<PlaceHooks> {
        let info = MapInfo::of(&map)?;
        let mut notes = Notes::default();
        let mut seen = Vec::new();
        for hook in SockmapHook::ALL {
            let attach_type = hook.attach_type();
            let programs = match hook.query(&map) {
                Ok(found) => found.programs,
                Err(
                    error @ Error::Link(
                        bpf_link::Error::UnsupportedByKernel(_)
                        | bpf_link::Error::PermissionDenied(_),
                    ),
                ) => {
                    notes.add_hook(attach_type, error);
                    continue;
                }
                // The map has the one of the two that excludes this.
                Err(error) if error.errno() == Some(libc::EBUSY) => continue,
                Err(error) => return Err(error),
            };
            let on = LinkPlace::Sockmap {
                map: info.id.get(),
                attach_type,
            };
            seen.extend(self.seen_on(&programs, &AttachPoint::Sockmap(*hook), on));
        }
        let place = HookPlace::Map {
            id: info.id,
            name: info.name,
        };
        Ok(self.answer(place, seen, notes))
    }
}
