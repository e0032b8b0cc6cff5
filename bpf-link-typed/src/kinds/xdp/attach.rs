//! Attaching to the receive path of a network device.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{AttachType, LinkCreate, LinkKind, ProgramId, RawLink, XdpFlags, XdpPrograms};

use super::XdpLink;
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::interface::Interface;
use crate::attach::interface::device::Device;
use crate::attach::netns::Netns;
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
    pub(super) device: Device,
    pub(super) mode: Option<XdpMode>,
}

/// Where on the receive path an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// After the kernel has built its socket buffer (generic mode): works with every device.
    #[doc(alias = "XDP_FLAGS_SKB_MODE")]
    Skb,
    /// In the driver (native mode).
    #[doc(alias = "XDP_FLAGS_DRV_MODE")]
    Drv,
    /// On the device.
    #[doc(alias = "XDP_FLAGS_HW_MODE")]
    Hw,
    /// In the driver if that takes the program, otherwise after the socket buffer is built. The
    /// kernel has no such mode: if the driver refuses the program, a second request is made.
    /// [`XdpAttach::attach_and_tell`] says which it was.
    DrvThenSkb,
}

impl XdpAttach {
    /// To this device in the network namespace of the calling thread.
    pub fn to(interface: impl Into<Interface>) -> Self {
        Self {
            device: Device::new(interface.into()),
            mode: None,
        }
    }

    /// To the hook of the device of that name or index in this network namespace, and not in that
    /// of the calling thread: see [`Netns`](crate::Netns).
    pub fn in_netns(mut self, netns: impl Into<Netns>) -> Self {
        self.device = self.device.in_netns(netns);
        self
    }

    /// In this mode, or not at all.
    ///
    /// Without this call the kernel chooses by the driver alone: in the driver if it has XDP at
    /// all, and if it then refuses the program, that is the answer; the kernel does not fall back.
    /// Only if the driver has no XDP, the program runs after the socket buffer is built.
    /// [`XdpMode::DrvThenSkb`] falls back whatever the driver has against the program.
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
    /// - [`Error::HookTaken`]: the device has a program already, in this mode (`EBUSY`) or in
    ///   another (`EEXIST`), or another device that this one is part of has.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is not an XDP program, or, told
    ///   since Linux 5.18, it was loaded for the entries of a map (`BPF_XDP_DEVMAP`,
    ///   `BPF_XDP_CPUMAP`).
    /// - [`Error::Link`] with [`NotAProgram`](bpf_link::Error::NotAProgram) (`EINVAL`): it is not a
    ///   program.
    /// - [`Error::Link`] with [`Command`](bpf_link::Error::Command) and
    ///   - `EINVAL`: the driver refuses the program, or it was loaded for another device
    ///     (`BPF_F_XDP_DEV_BOUND_ONLY`);
    ///   - `ERANGE`: the driver refuses it because of the MTU of the device, or of the other end of
    ///     a veth pair: a packet does not fit into one page, and the program was not loaded for
    ///     packets in fragments (`BPF_F_XDP_HAS_FRAGS`);
    ///   - `EOPNOTSUPP`: the driver or the device cannot run programs.
    ///
    ///   The tracepoint `xdp:bpf_xdp_link_attach_failed` has the driver's own words.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.9; it ends in `bpf_xdp_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<XdpLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    /// The same, and says in which mode the program runs: [`Skb`](XdpMode::Skb),
    /// [`Drv`](XdpMode::Drv) or [`Hw`](XdpMode::Hw).
    ///
    /// Without [`mode`](Self::mode), that is the one that [`XdpMode::DrvThenSkb`] comes to.
    ///
    /// ```no_run
    /// use bpf_link_typed::{XdpAttach, XdpMode};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let to = XdpAttach::to("eth0").mode(XdpMode::DrvThenSkb);
    /// let (link, mode) = to.attach_and_tell(&program)?;
    /// if mode == XdpMode::Skb {
    ///     println!("the driver of eth0 does not take the program, so it is slower");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach). If neither the driver nor the generic path takes the program,
    /// the error is that of the generic path.
    ///
    /// # Kernel
    ///
    /// As [`attach`](Self::attach), twice if the driver refuses the program.
    pub fn attach_and_tell(&self, program: impl AsFd) -> Result<(XdpLink, XdpMode)> {
        self.create_and_tell(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<XdpLink> {
        match self.mode {
            None => self.create_with(program, XdpFlags::empty()),
            Some(_) => self.create_and_tell(program).map(|(link, _)| link),
        }
    }

    fn create_and_tell(&self, program: BorrowedFd<'_>) -> Result<(XdpLink, XdpMode)> {
        let in_mode = |mode, flags| Ok((self.create_with(program, flags)?, mode));
        match self.mode {
            Some(XdpMode::Skb) => in_mode(XdpMode::Skb, XdpFlags::SKB_MODE),
            Some(XdpMode::Drv) => in_mode(XdpMode::Drv, XdpFlags::DRV_MODE),
            Some(XdpMode::Hw) => in_mode(XdpMode::Hw, XdpFlags::HW_MODE),
            None | Some(XdpMode::DrvThenSkb) => match in_mode(XdpMode::Drv, XdpFlags::DRV_MODE) {
                Err(refused) if is_drivers(&refused) => in_mode(XdpMode::Skb, XdpFlags::SKB_MODE),
                answer => answer,
            },
        }
    }

    fn create_with(&self, program: BorrowedFd<'_>, flags: XdpFlags) -> Result<XdpLink> {
        let ifindex = self.device.index()?;
        self.device
            .inside(|| self.create_on(ifindex, program, flags))
    }

    /// The same, in the network namespace of the device with this index.
    fn create_on(&self, ifindex: u32, program: BorrowedFd<'_>, flags: XdpFlags) -> Result<XdpLink> {
        let request = LinkCreate::new(&program, AttachType::Xdp)
            .target_ifindex(ifindex)
            .xdp_flags(flags);
        match RawLink::create(&request) {
            Ok(link) => Ok(XdpLink(link)),
            Err(source) => {
                let source = source.naming(self.device.interface.target());
                Err(match source.errno() {
                    Some(libc::EBUSY | libc::EEXIST) => holders::unknown(source),
                    Some(libc::EINVAL) if self.device.interface.is_missing() => {
                        self.device.interface.missing(source)
                    }
                    _ => fit::or_mismatch(program, AttachType::Xdp, source),
                })
            }
        }
    }

    /// The programs that the device with this index has.
    pub(super) fn programs(&self, ifindex: u32) -> Result<XdpPrograms> {
        self.device
            .inside(|| Ok(bpf_link::xdp_programs(ifindex)?))
            .map_err(|error| self.device.interface.refused(error))
    }

    /// Adds the programs of a device that is taken. The list is empty if the program is on another
    /// device that this one is part of.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            let ifindex = self.device.index().ok()?;
            let found = self.programs(ifindex).ok()?;
            let programs = [found.generic, found.driver, found.hardware];
            let programs: Vec<ProgramId> = programs.into_iter().flatten().collect();
            Some(holders::with_links(&programs, LinkKind::Xdp, |link| {
                let info = XdpLink(link).info().ok()?;
                info.program_id.filter(|_| info.ifindex == Some(ifindex))
            }))
        })
    }
}

/// Whether the refusal may be the driver's own, with which the generic path has nothing to do.
fn is_drivers(refused: &Error) -> bool {
    matches!(refused, Error::Link(bpf_link::Error::Command(error)) if error.errno() != Some(libc::ENODEV))
}
