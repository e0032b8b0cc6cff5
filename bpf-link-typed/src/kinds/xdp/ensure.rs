//! Whether a link is on the receive path of this device.

use std::os::fd::BorrowedFd;

use bpf_link::{AttachType, LinkKind, ProgramId};

use super::{XdpAttach, XdpInfo, XdpLink, XdpMode};
use crate::attach::fit;
use crate::ensure::hook_id::{HookId, number_of};
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for XdpAttach {
    type Link = XdpLink;

    /// The index of a device means another in another network namespace.
    const ATTEMPT_TELLS: bool = true;

    fn for_one_run(&self) -> Self {
        Self {
            device: self.device.for_one_run(),
            ..self.clone()
        }
    }

    fn create(&self, program: BorrowedFd<'_>) -> Result<XdpLink> {
        self.create_link(program)
    }

    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(refusal)
    }

    fn exclusive_hook(&self, _wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        Ok(Some(HookId {
            kind: LinkKind::Xdp,
            numbers: [
                u64::from(self.device.index()?),
                number_of(self.device.interface.netns()),
                0,
            ],
        }))
    }

    fn compare(&self, _link: &XdpLink, info: &XdpInfo, _wanted: &Wanted<'_>) -> Result<Match> {
        let ifindex = self.device.index()?;
        let Some(found) = info.ifindex else {
            return Ok(Match::Gone);
        };
        let is_here = Match::hook(Some(found == ifindex));
        let mode = match self.mode {
            // Either will do, so that a restart makes no gap.
            None | Some(XdpMode::DrvThenSkb) => return Ok(is_here),
            Some(mode) => mode,
        };
        // A program that this device does not have is on one of another network namespace: an
        // attempt to attach tells.
        let found = self.mode_of(info.program_id, ifindex)?.unwrap_or(mode);
        Ok(is_here.and(Some(found == mode)))
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        self.device.index().map(drop)
    }

    /// An attempt to attach reveals a program of the wrong type. Whether it is for the entries of a
    /// map, and not for devices, would show only once the hook is free.
    fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        fit::check_by_asking(wanted.object, AttachType::Xdp, || {
            self.device.interface.target()
        })
    }

    /// In the mode that the old program runs in, whichever is wanted now.
    fn way_back(&self, old: &XdpInfo) -> Result<Self> {
        let mode = match old.ifindex {
            Some(ifindex) => self.mode_of(old.program_id, ifindex)?,
            None => None,
        };
        Ok(Self {
            mode: mode.or(self.mode),
            ..self.clone()
        })
    }
}

impl XdpAttach {
    /// The mode that the program runs in on the device with this index; `None` if it does not.
    fn mode_of(&self, program: Option<ProgramId>, ifindex: u32) -> Result<Option<XdpMode>> {
        let found = self.programs(ifindex)?;
        let modes = [
            (XdpMode::Skb, found.generic),
            (XdpMode::Drv, found.driver),
            (XdpMode::Hw, found.hardware),
        ];
        let runs = modes
            .into_iter()
            .find(|(_, found)| found.is_some() && *found == program);
        Ok(runs.map(|(mode, _)| mode))
    }
}
