//! What is attached to a network namespace.

use std::os::fd::AsFd as _;

use bpf_link::{Hook, Target};

use super::attached::{AttachPoint, AttachedBy};
use super::inspector::{HookInspector, Seen};
use super::links::LinkPlace;
use super::note::{NoteAbout, Notes};
use super::place::{HookPlace, PlaceHooks};
use crate::attach::file_ref::FileRef;
use crate::error::Result;
use crate::kinds::{NetfilterFamily, NetfilterHook, NetnsHook};

impl HookInspector {
    /// What is attached to this network namespace itself, given as its file: flow dissectors,
    /// socket lookups, and the programs of netfilter. Its devices are places of their own:
    /// [`devices`](Self::devices).
    ///
    /// The kernel has no query for netfilter, so its programs are found through their links, and
    /// only a snapshot reports the network namespace of such a link. A flow dissector of the first
    /// network namespace runs in all of them, but is listed only for that one.
    ///
    /// # Errors
    ///
    /// - [`Error::File`](crate::Error::File): the path cannot be opened.
    /// - [`Error::Link`](crate::Error::Link) with [`Command`](bpf_link::Error::Command) and
    ///   `EINVAL`: the file is not a network namespace; `EBADF`: it is opened as a place in the
    ///   file system only (`O_PATH`). Without `CAP_NET_ADMIN`, both are
    ///   [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`).
    ///
    /// # Kernel
    ///
    /// As [`NetnsHook::query`](crate::NetnsHook::query).
    pub fn netns<'a>(&mut self, netns: impl Into<FileRef<'a>>) -> Result<PlaceHooks> {
        let netns = netns.into();
        let file = netns.open()?;
        let named = |error: bpf_link::Error| error.naming(netns.target(Target::Netns));
        let inode = bpf_link::netns_inode(&file.as_fd()).map_err(named)?;
        let inode = inode.unwrap_or(0);
        let mut notes = Notes::default();
        let mut seen = Vec::new();
        for hook in NetnsHook::ALL {
            let attach_type = hook.attach_type();
            let programs = match Hook::of_fd(attach_type, &file).query().map_err(named) {
                Ok(found) => found.programs,
                // A kernel without this hook has no programs there.
                Err(bpf_link::Error::UnsupportedByKernel(_)) => continue,
                Err(error @ bpf_link::Error::PermissionDenied(_)) if inode != 0 => {
                    notes.add_hook(attach_type, error.into());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let on = LinkPlace::Netns { inode, attach_type };
            seen.extend(self.seen_on(&programs, &AttachPoint::Netns(*hook), on));
        }
        self.add_netfilter(inode, &mut seen, &mut notes);
        Ok(self.answer(HookPlace::Netns { inode }, seen, notes))
    }

    fn add_netfilter(&self, inode: u64, seen: &mut Vec<Seen>, notes: &mut Notes) {
        let (mut found, mut elsewhere_or_here) = (Vec::new(), Vec::new());
        for link in self.links().iter() {
            let LinkPlace::Netfilter {
                family,
                hook,
                priority,
                netns,
            } = link.on
            else {
                continue;
            };
            match (netns, link.program) {
                (Some(netns), Some(program)) if netns == inode => {
                    found.push((family, hook, priority, link.id, program));
                }
                (None, _) => elsewhere_or_here.push(link.id),
                _ => {}
            }
        }
        found.sort_unstable_by_key(|(family, hook, priority, ..)| (*family, *hook, *priority));
        seen.extend(
            found
                .into_iter()
                .map(|(family, hook, priority, link, program)| Seen {
                    point: AttachPoint::Netfilter {
                        family: NetfilterFamily::from_raw(family),
                        hook: NetfilterHook::from_raw(hook),
                        priority,
                    },
                    program,
                    by: AttachedBy::Link(link),
                }),
        );
        if !elsewhere_or_here.is_empty() {
            notes.add(NoteAbout::NetfilterLinks(elsewhere_or_here), None);
        }
        if let Some(error) = &self.links().incomplete {
            notes.add(
                NoteAbout::Hooks(vec![bpf_link::AttachType::Netfilter]),
                Some(error.clone()),
            );
        }
    }
}
