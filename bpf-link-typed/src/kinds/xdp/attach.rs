//! Attaching to the receive path of a network device.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{AttachType, LinkCreate, LinkKind, ProgramId, RawLink, XdpFlags};

use super::XdpLink;
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::interface::Interface;
use crate::error::{Error, Result};

/// Attaches a program to the receive path of a network device.
///
/// ```no_run
/// use bpf_link_typed::{Interface, XdpAttach, XdpMode};
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = XdpAttach::to(Interface::from("eth0"))
///     .mode(XdpMode::Skb)
///     .attach(&program)?;
/// println!("device {:?}", link.info()?.ifindex);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct XdpAttach {
    pub(super) interface: Interface,
    pub(super) mode: Option<XdpMode>,
}

/// Where on the receive path an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// After the kernel has built its socket buffer: works with every device.
    #[doc(alias = "XDP_FLAGS_SKB_MODE")]
    Skb,
    /// In the driver.
    #[doc(alias = "XDP_FLAGS_DRV_MODE")]
    Drv,
    /// On the device.
    #[doc(alias = "XDP_FLAGS_HW_MODE")]
    Hw,
}

impl XdpAttach {
    /// To this device in the network namespace of the calling thread.
    pub fn to(interface: impl Into<Interface>) -> Self {
        Self {
            interface: interface.into(),
            mode: None,
        }
    }

    /// In this mode, or not at all. Without this call the kernel chooses: in the driver if that
    /// can, otherwise after the socket buffer is built.
    pub fn mode(mut self, mode: XdpMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Attaches the program: it runs on every packet that the device receives, as long as the link
    /// has a descriptor or a pin, and the device exists.
    ///
    /// The program stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchInterface`] (`ENODEV`, or `EINVAL` for an index): there is no such device.
    /// - [`Error::HookTaken`] (`EBUSY`, `EEXIST`): the device has a program already, in this or
    ///   another mode, or another device that this one is part of has.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is not an XDP program.
    /// - [`Error::Link`] with [`NotAProgram`](bpf_link::Error::NotAProgram) (`EINVAL`): it is not a
    ///   program.
    /// - [`Error::Link`] with [`Command`](bpf_link::Error::Command) and
    ///   - `EINVAL`: the program is for a map's entries, or the driver refuses it;
    ///   - `EOPNOTSUPP`: the driver or the device cannot run programs.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.9; it ends in `bpf_xdp_link_attach` (7.3).
    pub fn attach(&self, program: &(impl AsFd + ?Sized)) -> Result<XdpLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<XdpLink> {
        let flags = match self.mode {
            None => XdpFlags::empty(),
            Some(XdpMode::Skb) => XdpFlags::SKB_MODE,
            Some(XdpMode::Drv) => XdpFlags::DRV_MODE,
            Some(XdpMode::Hw) => XdpFlags::HW_MODE,
        };
        let request = LinkCreate::new(&program, AttachType::Xdp)
            .target_ifindex(self.interface.index()?)
            .xdp_flags(flags);
        match RawLink::create(&request) {
            Ok(link) => Ok(XdpLink(link)),
            Err(source) => {
                let source = source.naming(self.interface.target());
                Err(match source.errno() {
                    Some(libc::EBUSY | libc::EEXIST) => holders::unknown(source),
                    Some(libc::EINVAL) if self.interface.is_missing() => {
                        self.interface.missing(source)
                    }
                    _ => fit::by_type(program, AttachType::Xdp, source),
                })
            }
        }
    }

    /// Adds the programs of a device that is taken. There are none if another device has the
    /// program that this one is part of.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            let ifindex = self.interface.index().ok()?;
            let found = bpf_link::xdp_programs(ifindex).ok()?;
            let programs = [found.generic, found.driver, found.hardware];
            let programs: Vec<ProgramId> = programs.into_iter().flatten().collect();
            Some(holders::with_links(&programs, LinkKind::Xdp, |link| {
                let info = XdpLink(link).info().ok()?;
                info.program_id.filter(|_| info.ifindex == Some(ifindex))
            }))
        })
    }
}
