//! Attaching to a hook of a cgroup.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{AttachFlags, Hook, LinkCreate, LinkKind, RawLink, Target};

use super::CgroupLink;
use super::hook::CgroupHook;
use crate::attach::cgroup::OpenCgroup;
use crate::attach::file_ref::FileRef;
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::position::{self, LinkAnchor, Position};
use crate::error::{Error, Result};

/// Attaches a program to a hook of a cgroup.
///
/// ```no_run
/// use bpf_link_typed::{CgroupAttach, CgroupHook, LinkAnchor, Position};
///
/// # fn example(first: std::fs::File, second: std::fs::File) -> bpf_link_typed::Result<()> {
/// let to = CgroupAttach::to("/sys/fs/cgroup/workload", CgroupHook::InetEgress);
/// let link = to.attach(&first)?;
/// let before = to
///     .position(Position::Before(LinkAnchor::link(&link)))
///     .attach(&second)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct CgroupAttach<'a> {
    pub(super) cgroup: FileRef<'a>,
    pub(super) hook: CgroupHook,
    pub(super) position: Option<Position<LinkAnchor<'a>>>,
    pub(super) preorder: bool,
    pub(super) expected_revision: Option<u64>,
}

impl<'a> CgroupAttach<'a> {
    /// To this hook of this cgroup, which is one of version 2.
    pub fn to(cgroup: impl Into<FileRef<'a>>, hook: CgroupHook) -> Self {
        Self {
            cgroup: cgroup.into(),
            hook,
            position: None,
            preorder: false,
            expected_revision: None,
        }
    }

    /// In this place among the programs that the cgroup has on this hook; last without this call.
    /// Since Linux 6.17.
    pub fn position(mut self, position: Position<LinkAnchor<'a>>) -> Self {
        self.position = Some(position);
        self
    }

    /// Run it before the programs without this call, and an ancestor's before a descendant's. Since
    /// Linux 6.17: 6.15 and 6.16 have this for programs that are attached without a link
    /// (`BPF_PROG_ATTACH`) only.
    #[doc(alias = "BPF_F_PREORDER")]
    pub fn preorder(mut self) -> Self {
        self.preorder = true;
        self
    }

    /// Only if the list of programs still has this revision. Since Linux 6.17.
    pub fn expected_revision(mut self, revision: u64) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// Attaches the program: it runs for the cgroup and those below it, as long as the link has a
    /// descriptor or a pin, and the cgroup exists.
    ///
    /// The program stays the caller's. A cgroup that was given by its path is closed again.
    ///
    /// # Errors
    ///
    /// - [`Error::File`]: the path cannot be opened.
    /// - [`Error::NotACgroup`] (`EBADF`): the file is not the directory of a cgroup on cgroup2.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for another hook.
    /// - [`Error::AnchorNotOnHook`] (`ENOENT`): the anchor is not on this hook, or gone.
    /// - [`Error::HookTaken`] (`E2BIG`): 64 programs are on the hook, which is all that it takes;
    ///   or (`EPERM`) a program that was attached without a link keeps the hook of this cgroup, or
    ///   of one above it, for itself.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`NotALink`](bpf_link::Error::NotALink) or
    ///     [`InvalidRequest`](bpf_link::Error::InvalidRequest): the anchor is not a link, or is one
    ///     of another kind;
    ///   - [`StaleRevision`](bpf_link::Error::StaleRevision) (`ESTALE`);
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`): this kernel
    ///     has no positions, no revisions or no preorder of cgroup links;
    ///   - [`PermissionDenied`](bpf_link::Error::PermissionDenied) (`EPERM`): the caller lacks
    ///     `CAP_NET_ADMIN`, or `CAP_SYS_ADMIN` for an anchor by its id;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the anchor differs in preorder.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.7; it ends in `cgroup_bpf_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<CgroupLink> {
        self.create_link(program.as_fd())
            .map_err(|refusal| self.with_holders(refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<CgroupLink> {
        let cgroup = self.cgroup.open()?;
        let attach_type = self.hook.attach_type();
        let (mut flags, args) = position::arguments(self.position, self.expected_revision);
        if self.preorder {
            flags |= AttachFlags::PREORDER;
        }
        let request = LinkCreate::new(&program, attach_type).flags(flags);
        match RawLink::create(&request.target_fd(&cgroup).args(args)) {
            Ok(link) => Ok(CgroupLink(link)),
            Err(source) => {
                let source = match self.cgroup.refused_as_cgroup(source) {
                    Error::Link(source) => source,
                    error => return Err(error),
                };
                Err(match source.errno() {
                    Some(libc::ENOENT) if position::has_anchor(self.position.as_ref()) => {
                        Error::AnchorNotOnHook(source)
                    }
                    Some(libc::E2BIG) if matches!(source, bpf_link::Error::Command(_)) => {
                        holders::unknown(source)
                    }
                    Some(libc::EPERM) if self.excluding().is_some() => holders::unknown(source),
                    Some(libc::EINVAL) => match self.without_order(request) {
                        Some(unsupported) => unsupported
                            .naming(self.cgroup.target(Target::Cgroup))
                            .into(),
                        None => fit::or_mismatch(program, attach_type, source),
                    },
                    _ => source.into(),
                })
            }
        }
    }

    /// Adds the programs that keep a link off the hook: all of a hook that is full, or the one that
    /// does not share it. Adds nothing for `Lsm`, because a query returns the programs of all
    /// security hooks there.
    pub(super) fn with_holders(&self, refusal: Error) -> Error {
        refusal.with_holders(|| {
            if self.hook == CgroupHook::Lsm {
                return None;
            }
            let attach_type = self.hook.attach_type();
            let cgroup = match self.excluding() {
                Some(cgroup) => cgroup,
                None => OpenCgroup::of(&self.cgroup).ok()??,
            };
            let hook = Hook::of_fd(attach_type, &cgroup);
            holders::queried(&hook, LinkKind::Cgroup, |link| {
                let info = CgroupLink(link).info().ok()?;
                let is_here = info.cgroup_id == Some(cgroup.id) && info.attach_type == attach_type;
                info.program_id.filter(|_| is_here)
            })
        })
    }

    /// The error that this kernel has no order of a cgroup's programs, if that was asked for and is
    /// so: asked about a cgroup that does not exist.
    fn without_order(&self, request: LinkCreate<'_>) -> Option<bpf_link::Error> {
        const NO_CGROUP: u32 = u32::MAX;
        self.position.as_ref()?;
        let args = bpf_link::MprogArgs::new().expected_revision(1);
        let asked = RawLink::create(&request.target_ifindex(NO_CGROUP).args(args));
        asked
            .err()
            .filter(|error| matches!(error, bpf_link::Error::UnsupportedByKernel(_)))
    }
}
