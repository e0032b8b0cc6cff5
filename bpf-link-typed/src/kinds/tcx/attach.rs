//! Attaching to the traffic control of a network device.

use std::os::fd::AsFd;

use bpf_link::Anchor;

use super::TcxLink;
use super::hook::TcxHook;
use crate::attach::device_mprog::DeviceMprog;
use crate::attach::interface::Interface;
use crate::attach::netns::Netns;
use crate::attach::position::Position;
use crate::error::Result;

/// Attaches a program to the traffic control of a network device.
///
/// ```no_run
/// use bpf_link_typed::{Anchor, Interface, Position, TcxAttach, TcxHook};
///
/// # fn example(first: std::fs::File, second: std::fs::File) -> bpf_link_typed::Result<()> {
/// let to = TcxAttach::to(Interface::from("eth0"), TcxHook::Ingress);
/// let link = to.clone().position(Position::First).attach(&first)?;
/// let after = to
///     .position(Position::After(Anchor::link(&link)))
///     .attach(&second)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct TcxAttach<'a> {
    pub(super) list: DeviceMprog<'a>,
}

impl<'a> TcxAttach<'a> {
    /// To this hook of this device in the network namespace of the calling thread.
    pub fn to(interface: impl Into<Interface>, hook: TcxHook) -> Self {
        Self {
            list: DeviceMprog::new(interface.into(), hook.attach_type()),
        }
    }

    /// To the hook of the device of that name or index in this network namespace, and not in that
    /// of the calling thread: see [`Netns`](crate::Netns).
    pub fn in_netns(mut self, netns: impl Into<Netns>) -> Self {
        self.list = self.list.in_netns(netns);
        self
    }

    /// In this place among the programs of the hook; last without this call.
    pub fn position(mut self, position: Position<Anchor<'a>>) -> Self {
        self.list.position = Some(position);
        self
    }

    /// Only if the list of programs still has this revision.
    pub fn expected_revision(mut self, revision: u64) -> Self {
        self.list.expected_revision = Some(revision);
        self
    }

    /// Attaches the program: it runs as long as the link has a descriptor or a pin, and the device
    /// exists.
    ///
    /// The program stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchInterface`](crate::Error::NoSuchInterface) (`ENODEV`): there is no such
    ///   device.
    /// - [`Error::AlreadyAttached`](crate::Error::AlreadyAttached) (`EEXIST`): this program is
    ///   already on this hook, with or without a link.
    /// - [`Error::AnchorNotOnHook`](crate::Error::AnchorNotOnHook) (`ENOENT`): the anchor is not on
    ///   this hook, or gone.
    /// - [`Error::AttachTypeMismatch`](crate::Error::AttachTypeMismatch) (`EINVAL`): the program is
    ///   not one for traffic control.
    /// - [`Error::HookTaken`](crate::Error::HookTaken) (`ERANGE`): the hook already has 63
    ///   programs, and takes no more.
    /// - [`Error::Link`](crate::Error::Link) with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`NotALink`](bpf_link::Error::NotALink) or
    ///     [`InvalidRequest`](bpf_link::Error::InvalidRequest): the anchor is not a link, or is one
    ///     of another kind;
    ///   - [`StaleRevision`](bpf_link::Error::StaleRevision) (`ESTALE`);
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`);
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`, or `CAP_SYS_ADMIN` for an anchor by its id.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.6; it ends in `tcx_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<TcxLink> {
        self.list.attach(program.as_fd()).map(TcxLink)
    }
}
