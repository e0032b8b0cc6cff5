//! `BPF_OBJ_GET_INFO_BY_FD`, and the descriptor that remembers what it said.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::byte_set::ByteSet;
use super::fdinfo::info_without_path;
use super::identity::{Identity, Remembered};
use super::info_bytes::InfoBytes;
use super::info_request::Request;
use super::pinned::identity_of_pinned;
use super::{bpf, is_link, len_of, raw};
use crate::args::info_buffers::Lent;
use crate::kind::LinkKind;

/// A file descriptor that is a link, and what the kernel has said about it.
///
/// Only this module makes one with an identity, from what the kernel answered on the very
/// descriptor: that is what makes it sound to put pointers into an info request, whose meaning
/// depends on the link's kind.
#[derive(Debug)]
pub(crate) struct LinkFd {
    fd: OwnedFd,
    identity: Remembered,
}

impl LinkFd {
    /// A descriptor that a command has just made, and that cannot be anything but a link.
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            identity: Remembered::default(),
        }
    }

    /// The same of the link with this id, which it has even if the kernel refuses every info of it.
    pub(super) fn with_id(fd: OwnedFd, id: u32) -> Self {
        let link = Self::new(fd);
        link.identity.put_id(id);
        link
    }

    /// The id, if it is known; 0 otherwise.
    pub(crate) fn known_id(&self) -> u32 {
        self.identity.id()
    }

    /// What `BPF_OBJ_GET` has opened, if it is a link; otherwise as [`check`](Self::check).
    #[inline]
    pub(crate) fn check_pinned(fd: OwnedFd) -> Result<Self, (OwnedFd, Option<io::Error>)> {
        let Some(identity) = identity_of_pinned(fd.as_fd()) else {
            return Self::check(fd);
        };
        let link = Self::new(fd);
        link.identity.put(identity);
        Ok(link)
    }

    /// The descriptor, if it is a link; otherwise gives it back, with an error if the kernel would
    /// not tell.
    pub(crate) fn check(fd: OwnedFd) -> Result<Self, (OwnedFd, Option<io::Error>)> {
        match is_link(fd.as_fd()) {
            Ok(true) => Ok(Self::new(fd)),
            Ok(false) => Err((fd, None)),
            Err(error) => Err((fd, Some(error))),
        }
    }

    /// A descriptor of its own for the same link.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
            identity: self.identity.clone(),
        })
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// What the kernel has said already, without asking it.
    #[inline]
    pub(crate) fn known(&self) -> Option<Identity> {
        self.identity.get()
    }

    /// Puts the info without names and arrays there.
    #[inline]
    pub(crate) fn info(&self, info: &mut InfoBytes) -> io::Result<Answer> {
        *info = InfoBytes::ZERO;
        let request = self.known().map(|identity| {
            let request = Request::of(identity);
            request.mark(info);
            request
        });
        // SAFETY: `info` is all zeros but for the marks of the link's kind, which the kernel has
        // said on this very descriptor: `Layout::checked` proves that such a link has no address
        // there. So there is none to follow.
        let answer = unsafe { get_info(self.fd.as_fd(), info) };
        let is_whole = answer.is_ok();
        let len = answer.or_else(|refusal| info_without_path(refusal, self.fd.as_fd(), info))?;
        let missing = request.map(|request| request.take_marks(info, len as usize));
        // From procfs, how long an info is on this kernel is not known.
        if is_whole {
            self.identity.put(Identity::of(info, len));
        }
        Ok(Answer { len, missing })
    }

    /// What never changes about this link; asks the kernel if it has not said yet.
    #[inline]
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        if let Some(identity) = self.known() {
            return Ok(identity);
        }
        let mut info = InfoBytes::ZERO;
        let answer = self.info(&mut info)?;
        Ok(Identity::of(&info, answer.len))
    }

    /// Puts the info there, and names and arrays into the lent buffers; `None` if those are for
    /// another kind of link.
    #[inline]
    pub(crate) fn info_with(
        &self,
        info: &mut InfoBytes,
        lent: &mut Lent<'_>,
    ) -> io::Result<Option<Answer>> {
        let identity = self.identity()?;
        if lent.kind.as_raw() != identity.kind {
            return Ok(None);
        }
        *info = InfoBytes::ZERO;
        let request = Request::of_kind(lent.kind, identity);
        request.mark(info);
        let before = request.lend(info, lent);
        // SAFETY:
        // - the kernel has said on this very descriptor of what kind the link is, and the request
        //   has the layout of that kind: each address is where such a link has it, with the length
        //   that goes with it, and `Layout::checked` proves that no mark is on either;
        // - each address is that of a slice which `lent` borrows mutably for longer than the call,
        //   and whose entries have the size that the kernel writes; the length is the slice's own,
        //   or that of the shortest slice where one length is that of several.
        let answer = unsafe { get_info(self.fd.as_fd(), info) };
        let unwritten = before.restore(request.layout, lent);
        let len = match answer {
            Ok(len) => len,
            Err(refusal) if lends_a_short_path(lent) => return Err(refusal),
            Err(refusal) => info_without_path(refusal, self.fd.as_fd(), info)?,
        };
        request.take_addresses(info, lent);
        let missing = request.take_marks(info, len as usize).union(unwritten);
        Ok(Some(Answer {
            len,
            missing: Some(missing),
        }))
    }
}

/// What the kernel answered besides the info.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The length that it says.
    pub(crate) len: u32,
    /// The bytes of the fields that it has not written; `None` if they were not marked, as the kind
    /// was not known.
    pub(crate) missing: Option<ByteSet>,
}

impl AsFd for LinkFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether there is room for a path, but not for every path that the kernel writes.
fn lends_a_short_path(lent: &Lent<'_>) -> bool {
    const LONGEST: usize = libc::PATH_MAX as usize;
    lent.kind == LinkKind::UprobeMulti && (1..LONGEST).contains(&lent.name.len())
}

/// How the info of every BPF object but BTF begins.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct ObjectStart {
    /// A `bpf_prog_type`, `bpf_map_type` or `bpf_link_type`: the info does not say which.
    pub(crate) kind: u32,
    pub(crate) id: u32,
}

/// The kind and id of a program, map or link.
pub(crate) fn object_start(object: BorrowedFd<'_>) -> io::Result<ObjectStart> {
    const {
        assert!(offset_of!(c::bpf_prog_info, id) == offset_of!(ObjectStart, id));
        assert!(offset_of!(c::bpf_map_info, id) == offset_of!(ObjectStart, id));
        assert!(offset_of!(c::bpf_link_info, id) == offset_of!(ObjectStart, id));
    }
    let mut start = ObjectStart { kind: 0, id: 0 };
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(object),
        info_len: len_of::<ObjectStart>(),
        info: (&raw mut start) as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is `start`, which is live for the call, as long as `info_len` says, and
    //   ours to write; the kernel takes the fields after it for zeros, and so follows no pointer.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(start)
}

/// `BPF_OBJ_GET_INFO_BY_FD`; returns the length that the kernel says.
///
/// # Safety
///
/// Every pointer in `info`, at the place that the link's kind has it, is live for the call,
/// writable, and as long as the length or count that goes with it.
#[inline]
unsafe fn get_info(link: BorrowedFd<'_>, info: &mut InfoBytes) -> io::Result<u32> {
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(link),
        info_len: len_of::<InfoBytes>(),
        info: (&raw mut *info) as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is `info`, which is live for the call, as long as `info_len` says, and
    //   ours to write;
    // - the caller vouches for the pointers inside `info`.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(attr.info_len)
}
