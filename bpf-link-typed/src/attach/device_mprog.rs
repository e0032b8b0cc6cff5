//! The lists of programs (the kernel's mprog) that network devices have on some of their hooks.

use std::os::fd::{AsFd as _, BorrowedFd};

use bpf_link::{
    Anchor, AttachType, Hook, HookProgram, LinkCreate, LinkId, LinkKind, ProgramInfo, RawLink,
};

use crate::attach::fit;
use crate::attach::holders;
use crate::attach::interface::Interface;
use crate::attach::interface::device::Device;
use crate::attach::netns::Netns;
use crate::attach::position::{self, Position};
use crate::ensure::Match;
use crate::ensure::hook_id::{HookId, number_of};
use crate::error::{Error, Result};

/// A place in such a list.
#[derive(Clone, Debug)]
pub(crate) struct DeviceMprog<'a> {
    device: Device,
    attach_type: AttachType,
    pub(crate) position: Option<Position<Anchor<'a>>>,
    pub(crate) expected_revision: Option<u64>,
}

impl DeviceMprog<'_> {
    /// The last place, whatever else is in the list.
    pub(crate) fn new(interface: Interface, attach_type: AttachType) -> Self {
        Self {
            device: Device::new(interface),
            attach_type,
            position: None,
            expected_revision: None,
        }
    }

    /// In another network namespace.
    pub(crate) fn in_netns(mut self, netns: impl Into<Netns>) -> Self {
        self.device = self.device.in_netns(netns);
        self
    }

    /// See [`Recipe::for_one_run`](crate::ensure::Recipe::for_one_run).
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            device: self.device.for_one_run(),
            ..self.clone()
        }
    }

    /// Attaches the program there.
    pub(crate) fn attach(&self, program: BorrowedFd<'_>) -> Result<RawLink> {
        let ifindex = self.device.index()?;
        self.device.inside(|| self.attach_to(ifindex, program))
    }

    /// The same, in the network namespace of the device with this index.
    fn attach_to(&self, ifindex: u32, program: BorrowedFd<'_>) -> Result<RawLink> {
        let (flags, args) = position::arguments(self.position, self.expected_revision);
        let request = LinkCreate::new(&program, self.attach_type)
            .target_ifindex(ifindex)
            .flags(flags)
            .args(args);
        RawLink::create(&request).map_err(|source| {
            let source = source.naming(self.device.interface.target());
            match source.errno() {
                // Of a netkit device, it may be the peer that is missing.
                Some(libc::ENODEV) if self.device.interface.is_missing() => {
                    self.device.interface.missing(source)
                }
                Some(libc::EEXIST) => Error::AlreadyAttached(source),
                Some(libc::ERANGE) => {
                    let hook = Hook::of_device(self.attach_type, ifindex);
                    // The query lists the links.
                    holders::unknown(source).with_holders(|| holders::listed(&hook))
                }
                Some(libc::ENOENT) if position::has_anchor(self.position.as_ref()) => {
                    Error::AnchorNotOnHook(source)
                }
                _ => fit::or_mismatch_on_device(program.as_fd(), self.attach_type, ifindex, source),
            }
        })
    }

    /// Refuses a program that does not fit.
    pub(crate) fn check(&self, program: BorrowedFd<'_>) -> Result<()> {
        fit::check(program, self.attach_type, || self.device.interface.target())
    }

    /// The list, for links of this kind.
    pub(crate) fn hook(&self, kind: LinkKind) -> Result<HookId> {
        let attach_type = u64::from(self.attach_type.as_raw());
        Ok(HookId {
            kind,
            numbers: [
                u64::from(self.device.index()?),
                attach_type,
                number_of(self.device.interface.netns()),
            ],
        })
    }

    /// The links that are in the list.
    pub(crate) fn links(&self) -> Result<Vec<LinkId>> {
        let programs = self.device.query(self.attach_type)?.programs;
        Ok(programs.iter().filter_map(|program| program.link).collect())
    }

    /// Whether the link, which is in the list, is in the position that was asked for.
    pub(crate) fn in_place(&self, id: LinkId) -> Result<Option<bool>> {
        let Some(position) = self.position else {
            return Ok(None);
        };
        let list = self.device.query(self.attach_type)?.programs;
        let index = list.iter().position(|program| program.link == Some(id));
        index
            .map(|index| position::is_at(position, &list, index, is_anchor))
            .transpose()
    }

    /// See [`Recipe::has_position`](crate::ensure::Recipe::has_position).
    pub(crate) fn has_position(&self) -> Result<bool> {
        let list = || Ok(self.device.query(self.attach_type)?.programs);
        position::exists(self.position, list, is_anchor)
    }

    /// Whether the hook's list has the link with this id. The link's info names the device with
    /// this index, or says that the device is gone.
    pub(crate) fn compare(&self, id: LinkId, ifindex: Option<u32>) -> Result<Match> {
        let links = self.links()?;
        Ok(match ifindex {
            None => Match::Gone,
            // An index of a device means another in another network namespace, so it is the list
            // that tells.
            Some(_) => Match::hook(Some(links.contains(&id))),
        })
    }
}

/// Whether this is the program that another is placed next to.
fn is_anchor(anchor: Anchor<'_>, program: &HookProgram) -> Result<bool> {
    Ok(match anchor {
        Anchor::Link(link) => program.link == Some(position::anchor_link(link)?.id()?),
        Anchor::LinkId(id) => program.link == Some(id),
        Anchor::Program(anchor) => program.id == ProgramInfo::of(&anchor)?.id,
        Anchor::ProgramId(id) => program.id == id,
        _ => false,
    })
}

/// How links in such a list are taken over: `$Attach` has the place in its field `list`.
macro_rules! recipe_of_a_list {
    ($Attach:ident: $Link:ident, $Info:ident) => {
        impl $crate::ensure::Recipe for $Attach<'_> {
            type Link = $Link;

            fn for_one_run(&self) -> Self {
                Self {
                    list: self.list.for_one_run(),
                }
            }

            fn create(&self, program: ::std::os::fd::BorrowedFd<'_>) -> $crate::Result<$Link> {
                self.attach(program)
            }

            fn compare(
                &self,
                _link: &$Link,
                info: &$Info,
                _wanted: &$crate::ensure::Wanted<'_>,
            ) -> $crate::Result<$crate::ensure::Match> {
                self.list.compare(info.id, info.ifindex)
            }

            fn look_up(&self, _wanted: &$crate::ensure::Wanted<'_>) -> $crate::Result<()> {
                self.list.hook($Link::KIND).map(drop)
            }

            fn check_options(&self, pin: &::std::path::Path) -> $crate::Result<()> {
                $crate::attach::position::without_revision(self.list.expected_revision, pin)
            }

            fn check(&self, wanted: &$crate::ensure::Wanted<'_>) -> $crate::Result<()> {
                self.list.check(wanted.object)
            }

            fn in_place(&self, link: &$Link) -> $crate::Result<Option<bool>> {
                self.list.in_place(link.as_raw().id()?)
            }

            fn has_position(&self) -> $crate::Result<bool> {
                self.list.has_position()
            }

            fn way_back(&self, _old: &$Info) -> $crate::Result<Self> {
                let mut to = self.clone();
                let position = to.list.position.take();
                to.list.position = position.and_then(|position| position.without_anchor());
                Ok(to)
            }

            fn ordered_hook(&self) -> $crate::Result<Option<$crate::ensure::hook_id::HookId>> {
                self.list.hook($Link::KIND).map(Some)
            }

            fn is_placed(&self) -> bool {
                self.list.position.is_some()
            }

            fn placed(
                &self,
                place: $crate::attach::position::Position<::bpf_link::LinkId>,
            ) -> Option<Self> {
                let mut to = self.clone();
                to.list.position = Some(place.of(::bpf_link::Anchor::LinkId));
                Some(to)
            }

            fn links_on_hook(&self) -> $crate::Result<Option<Vec<::bpf_link::LinkId>>> {
                self.list.links().map(Some)
            }
        }
    };
}
pub(crate) use recipe_of_a_list;
