//! Attaching to a hook of a network namespace.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{Hook, LinkCreate, LinkKind, ProgramId, RawLink, Target};

use super::NetnsLink;
use super::hook::NetnsHook;
use crate::attach::file_ref::FileRef;
use crate::attach::fit;
use crate::attach::holders;
use crate::error::{Error, Result};

/// Attaches a program to a hook of a network namespace.
///
/// ```no_run
/// use bpf_link_typed::{NetnsAttach, NetnsHook};
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = NetnsAttach::to("/proc/self/ns/net", NetnsHook::SkLookup).attach(&program)?;
/// println!("namespace {:?}", link.info()?.netns_ino);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct NetnsAttach<'a> {
    pub(super) netns: FileRef<'a>,
    pub(super) hook: NetnsHook,
}

impl<'a> NetnsAttach<'a> {
    /// To this hook of this network namespace: a file such as `/proc/self/ns/net`, open or by its
    /// path.
    pub fn to(netns: impl Into<FileRef<'a>>, hook: NetnsHook) -> Self {
        Self {
            netns: netns.into(),
            hook,
        }
    }

    /// Attaches the program: it runs as long as the link has a descriptor or a pin, and the
    /// namespace exists. The link does not keep the namespace.
    ///
    /// The program stays the caller's. A namespace that was given by its path is closed again.
    ///
    /// # Errors
    ///
    /// - [`Error::File`]: the path cannot be opened.
    /// - [`Error::HookTaken`] (`E2BIG`, `EEXIST`): the hook has a program, or as many as it takes,
    ///   or one that was attached without a link; or another namespace's flow dissector excludes
    ///   this one.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another hook.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the file is not a network namespace;
    ///     `EBADF`: its descriptor was opened with `O_PATH`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.8; it ends in `netns_bpf_link_create` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<NetnsLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<NetnsLink> {
        let netns = self.netns.open()?;
        let attach_type = self.hook.attach_type();
        let request = LinkCreate::new(&program, attach_type).target_fd(&netns);
        match RawLink::create(&request) {
            Ok(link) => Ok(NetnsLink(link)),
            Err(source) => {
                let source = source.naming(self.netns.target(Target::Netns));
                Err(match source.errno() {
                    Some(libc::E2BIG | libc::EEXIST) => holders::unknown(source),
                    _ => fit::or_mismatch(program, attach_type, source),
                })
            }
        }
    }

    /// Adds the programs of a hook that is taken, or the flow dissectors of other namespaces, of
    /// which one is in the way.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            let inode = self.netns.netns_inode().ok()??;
            let netns = self.netns.open().ok()?;
            let hook = Hook::of_fd(self.hook.attach_type(), &netns);
            let here = holders::queried(&hook, LinkKind::Netns, |link| {
                self.program_of(link, |netns| netns == inode)
            })?;
            if !here.is_empty() || self.hook != NetnsHook::FlowDissector {
                return Some(here);
            }
            let elsewhere = holders::by_links(LinkKind::Netns, |link| {
                self.program_of(link, |netns| netns != inode)
            })?;
            Some(holders::perhaps(elsewhere))
        })
    }

    /// The program of a link that is on this hook of such a namespace.
    fn program_of(&self, link: RawLink, is_wanted: impl Fn(u64) -> bool) -> Option<ProgramId> {
        let info = NetnsLink(link).info().ok()?;
        let netns = u64::from(info.netns_ino?);
        info.program_id
            .filter(|_| info.attach_type == self.hook.attach_type() && is_wanted(netns))
    }
}
