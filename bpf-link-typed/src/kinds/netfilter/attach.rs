//! Attaching to a netfilter hook.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{AttachType, LinkCreate, LinkKind, NetfilterArgs, NetfilterFlags, RawLink, Target};

use super::NetfilterLink;
use super::hook::{NetfilterFamily, NetfilterHook};
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::netns::Netns;
use crate::attach::netns::within::Within;
use crate::error::{Error, Result};

/// Attaches a program to a netfilter hook of the calling thread's network namespace, or of another.
///
/// ```no_run
/// use bpf_link_typed::{NetfilterAttach, NetfilterFamily, NetfilterHook};
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalIn, -128)
///     .defragmented()
///     .attach(&program)?;
/// println!("priority {}", link.info()?.priority);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct NetfilterAttach {
    pub(super) family: NetfilterFamily,
    pub(super) hook: NetfilterHook,
    pub(super) priority: i32,
    pub(super) flags: NetfilterFlags,
    pub(super) within: Within,
}

impl NetfilterAttach {
    /// To this hook of this family. Those on a hook run from the lowest priority to the highest,
    /// and no two have the same, programs or not. The smallest and the largest number are not
    /// allowed.
    pub fn to(family: NetfilterFamily, hook: NetfilterHook, priority: i32) -> Self {
        Self {
            family,
            hook,
            priority,
            flags: NetfilterFlags::empty(),
            within: Within::default(),
        }
    }

    /// To the hook of this network namespace, and not of that of the calling thread: see
    /// [`Netns`](crate::Netns).
    pub fn in_netns(mut self, netns: impl Into<Netns>) -> Self {
        self.within = Within::new(Some(netns.into()));
        self
    }

    /// Put the fragments of a packet together before the program sees it, for which the priority
    /// has to be above -400. Since Linux 6.6.
    #[doc(alias = "BPF_F_NETFILTER_IP_DEFRAG")]
    pub fn defragmented(mut self) -> Self {
        self.flags |= NetfilterFlags::IP_DEFRAG;
        self
    }

    /// Attaches the program: it runs as long as the link has a descriptor or a pin. The link keeps
    /// the network namespace.
    ///
    /// The program stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::PriorityTaken`] (`EBUSY`): something has this priority. The error names the
    ///   programs of all links that may have it, in any network namespace.
    /// - [`Error::HookTaken`] (`E2BIG`): 1024 are on the hook, which is all that it takes.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is not for netfilter.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `EOPNOTSUPP`);
    ///   - [`Command`](bpf_link::Error::Command) and `EAFNOSUPPORT`: the family is neither IPv4 nor
    ///     IPv6; `EPROTO`: there is no such hook; `ERANGE`: the priority is not allowed; `ENOENT`:
    ///     the kernel lacks the module that puts fragments together.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 6.4; it ends in `bpf_nf_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<NetfilterLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<NetfilterLink> {
        self.within.inside(|| self.attach_here(program))
    }

    fn attach_here(&self, program: BorrowedFd<'_>) -> Result<NetfilterLink> {
        let args = NetfilterArgs::new(self.family.as_raw(), self.hook.as_raw(), self.priority)
            .flags(self.flags);
        let request = LinkCreate::new(&program, AttachType::Netfilter).args(args);
        match RawLink::create(&request).map_err(|source| self.named(source)) {
            Ok(link) => Ok(NetfilterLink(link)),
            Err(source) => Err(match source.errno() {
                Some(libc::EBUSY) => Error::PriorityTaken {
                    priority: self.priority,
                    holders: Box::default(),
                    source,
                },
                Some(libc::E2BIG) if matches!(source, bpf_link::Error::Command(_)) => {
                    holders::unknown(source)
                }
                _ => fit::by_type(program, AttachType::Netfilter, source),
            }),
        }
    }

    /// A refusal, which names the hook if it is in another network namespace.
    fn named(&self, source: bpf_link::Error) -> bpf_link::Error {
        let Some(netns) = &self.within.netns else {
            return source;
        };
        source.naming(netns.target_of(Target::Netfilter {
            family: self.family.as_raw(),
            hook: self.hook.as_raw(),
            priority: self.priority,
        }))
    }

    /// Adds the programs of the links that may be in the way: at this priority, or anywhere on a
    /// hook that is full. They may also be in another network namespace, or not attached any more.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        let is_full = matches!(refusal, Error::HookTaken { .. });
        refusal.with_holders(|| {
            let found = holders::by_links(LinkKind::Netfilter, |link| {
                let info = NetfilterLink(link).info().ok()?;
                let is_here = info.family == self.family
                    && info.hook == self.hook
                    && (is_full || info.priority == self.priority);
                info.program_id.filter(|_| is_here)
            })?;
            Some(holders::perhaps(found))
        })
    }
}
