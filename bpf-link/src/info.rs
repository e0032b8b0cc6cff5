//! `BPF_OBJ_GET_INFO_BY_FD`: what the kernel says about a link.

use std::fmt;
use std::mem::offset_of;
use std::ops::Range;

use bpf_link_sys as c;

use crate::args::InfoBuffers;
use crate::error::{Command, Error, InvalidRequest, Result};
use crate::id::{LinkId, MapId, ProgramId};
use crate::kind::LinkKind;
use crate::link::RawLink;
use crate::sys;
use crate::sys::ByteSet;
use crate::sys::layout::{ARM, Field, field, layout};

/// What the kernel says about a link: its kind, id and program, and the bytes that are specific to
/// the kind.
///
/// Two infos are equal if the kernel's answers are, whether or not the request could show which
/// fields the kernel left out ([`is_conclusive`](Self::is_conclusive)).
#[derive(Clone, Copy)]
pub struct LinkInfo {
    id: LinkId,
    bytes: sys::InfoBytes,
    len: u32,
    /// What the kernel was asked to say, and has not said; `None` if it was not asked.
    missing: Option<ByteSet>,
}

impl LinkInfo {
    /// The size of `struct bpf_link_info` in this release, in bytes.
    pub const SIZE: usize = sys::INFO_SIZE;

    /// What the kernel is to write into. The id is not that of a link.
    const UNASKED: Self = Self {
        id: LinkId::FIRST,
        bytes: sys::InfoBytes::ZERO,
        len: 0,
        missing: None,
    };

    /// An info from bytes: a `struct bpf_link_info` that some kernel with this machine's byte order
    /// filled in, such as [`as_bytes`](Self::as_bytes) returns.
    ///
    /// It may have that kernel's length; bytes after [`SIZE`](Self::SIZE) are dropped. `None` if it
    /// has fewer than the 12 bytes of kind, link id and program id, or if the link id is 0. Nothing
    /// else is checked, and the kernel is not asked.
    ///
    /// ```
    /// use bpf_link::{LinkInfo, LinkKind};
    ///
    /// // A link of kind 6, with id 12, a program with id 34, and the device 1.
    /// let fields = [6_u32, 12, 34, 0, 1, 0, 0, 0];
    /// let bytes: Vec<u8> = fields.into_iter().flat_map(u32::to_ne_bytes).collect();
    /// let info = LinkInfo::from_bytes(&bytes).unwrap();
    /// assert_eq!(info.kind(), LinkKind::Xdp);
    /// assert_eq!(info.id().get(), 12);
    /// assert_eq!(info.kernel_len(), 32);
    /// ```
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        const HEADER: usize = offset_of!(c::bpf_link_info, prog_id) + size_of::<u32>();
        let known = bytes.get(..Self::SIZE).unwrap_or(bytes);
        if known.len() < HEADER {
            return None;
        }
        let bytes = sys::InfoBytes::of_recorded(known);
        Some(Self {
            id: LinkId::new(bytes.u32_at(offset_of!(c::bpf_link_info, id)))?,
            bytes,
            len: u32::try_from(known.len()).ok()?,
            missing: None,
        })
    }

    /// The kind of the link.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> LinkKind {
        LinkKind::from_raw(self.bytes.u32_at(offset_of!(c::bpf_link_info, type_)))
    }

    /// The id of the link.
    #[inline]
    #[must_use]
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// The id of the link's program, also after the link was detached. `None` for `struct_ops`,
    /// which attaches a map.
    #[inline]
    #[must_use]
    pub fn program_id(&self) -> Option<ProgramId> {
        ProgramId::new(self.bytes.u32_at(offset_of!(c::bpf_link_info, prog_id)))
    }

    /// The size of the kernel's own `struct bpf_link_info` in bytes, up to [`SIZE`](Self::SIZE). A
    /// field that ends after it is newer than the kernel.
    #[inline]
    #[must_use]
    pub fn kernel_len(&self) -> u32 {
        self.len
    }

    /// The kernel's `struct bpf_link_info`, in the kernel's length.
    ///
    /// A field within the length may still be newer than the kernel, and is 0 then: see
    /// [`is_reported`](Self::is_reported). Fields for the addresses of buffers are 0.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let bytes = self.bytes.as_slice();
        bytes.get(..self.len as usize).unwrap_or(bytes)
    }

    /// This release's `struct bpf_link_info`: [`as_bytes`](Self::as_bytes), with zeros
    /// after the end of the kernel's.
    #[inline]
    #[must_use]
    pub fn as_struct_bytes(&self) -> &[u8; Self::SIZE] {
        self.bytes.as_slice()
    }

    /// Whether the kernel has written the field at these bytes.
    ///
    /// `None` if that cannot be told: the field is 0, only later kernels write it, and the kind of
    /// the link was not known when the kernel was asked, as with the first [`info`](RawLink::info)
    /// of a link. Every later one tells, and so does every [`info_with`](RawLink::info_with). Of a
    /// field for the address of a buffer, `Some(false)` says that the kernel has left the buffer as
    /// it was.
    #[inline]
    #[must_use]
    pub fn is_reported(&self, field: Range<usize>) -> Option<bool> {
        match self.missing {
            Some(missing) => {
                let is_there = field.start <= field.end && field.end <= self.len as usize;
                Some(is_there && !missing.intersects(ByteSet::of(&field)))
            }
            None => self.is_certainly_reported(field),
        }
    }

    /// Whether [`is_reported`](Self::is_reported) can tell of every field. If not, an
    /// [`info`](RawLink::info) that is asked for now can: the link's kind was not known before, and
    /// links of this kind have fields that only later kernels write.
    #[inline]
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.missing.is_some()
            || !layout(self.kind())
                .marked
                .intersects(ByteSet::of(&(0..self.len as usize)))
    }

    /// The same of an answer that was asked for without marks.
    fn is_certainly_reported(&self, field: Range<usize>) -> Option<bool> {
        if !self.has_kind_info() && field.end > ARM.start {
            return Some(false);
        }
        let Some(bytes) = self.as_bytes().get(field.clone()) else {
            return Some(false);
        };
        let marked = layout(self.kind()).marked;
        let certain =
            bytes.iter().any(|byte| *byte != 0) || !marked.intersects(ByteSet::of(&field));
        certain.then_some(true)
    }

    /// Whether this kernel reports anything that is specific to the kind. Some kernels can create a
    /// kind of link, but do not report its fields yet.
    fn has_kind_info(&self) -> bool {
        let layout = layout(self.kind());
        // A link with arrays has entries. The field that tells where there are marks may be 0.
        match layout.tells {
            Some(tells) => self.number_at(layout.count.unwrap_or(tells)).is_some(),
            None => true,
        }
    }

    /// How many bytes the name of this link has, with its NUL: a raw tracepoint's, an iterator's
    /// target, a perf event's, or the path of a `uprobe_multi` link. `None` for every other kind,
    /// and where the kernel does not say.
    ///
    /// Kernels from Linux 6.6 to 6.11 may not say for a perf event that has a name; 4,096 bytes are
    /// enough for each.
    #[must_use]
    pub fn name_len(&self) -> Option<usize> {
        let name = layout(self.kind()).name.as_ref()?;
        match name.unless {
            Some((field, value)) if self.number_at(field) == Some(value) => None,
            _ => self.size_at(name.len),
        }
    }

    /// How many entries the arrays of this link have: the functions of a `kprobe_multi` or
    /// `tracing_multi` link, the probes of a `uprobe_multi` link. `None` for every other kind, and
    /// where the kernel does not say.
    #[inline]
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.size_at(layout(self.kind()).count?)
    }

    /// The map with callbacks that is attached by a `struct_ops` link, which has no program. `None`
    /// for every other kind, and once the link was detached.
    #[must_use]
    pub fn struct_ops_map(&self) -> Option<MapId> {
        if self.kind() != LinkKind::StructOps {
            return None;
        }
        self.number_at(field!(struct_ops.map_id))
            .and_then(MapId::new)
    }

    #[inline]
    fn size_at(&self, field: Field<u32>) -> Option<usize> {
        usize::try_from(self.number_at(field)?).ok()
    }

    /// The number in this field, unless it is 0 or beyond the end.
    #[inline]
    fn number_at(&self, field: Field<u32>) -> Option<u32> {
        let number = u32::from_ne_bytes(*self.as_bytes().get(field.start()..)?.first_chunk()?);
        (number != 0).then_some(number)
    }
}

impl PartialEq for LinkInfo {
    fn eq(&self, other: &Self) -> bool {
        // The id is among the bytes.
        self.bytes == other.bytes && self.len == other.len
    }
}

impl Eq for LinkInfo {}

impl fmt::Debug for LinkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkInfo")
            .field("kind", &self.kind())
            .field("id", &self.id())
            .field("program_id", &self.program_id())
            .field("bytes", &self.as_bytes())
            .finish()
    }
}

impl RawLink {
    /// Reads the link's info: one system call, no allocation.
    ///
    /// The info is complete for every kind that has neither a name nor arrays. For the other kinds
    /// it has their lengths, and [`info_with`](Self::info_with) reads them. If the link's kind is
    /// already known, from an earlier info or [`kind`](Self::kind), the info also shows which
    /// fields this kernel does not report: [`LinkInfo::is_reported`].
    ///
    /// The kernel refuses the info of a `uprobe_multi` link while the path of its file is longer
    /// than 4,095 bytes. Then the info has only the id, kind and program, which are read from
    /// procfs. Its [`kernel_len`](LinkInfo::kernel_len) is 32, which is too short for any field of
    /// that kind.
    ///
    /// # Errors
    ///
    /// - [`Error::PermissionDenied`] (`EPERM`): before Linux 5.19, the caller lacks `CAP_BPF` where
    ///   the use of `bpf(2)` is restricted.
    /// - [`Error::Command`] with `ENAMETOOLONG`: a `uprobe_multi` link with such a path, with no
    ///   procfs at `/proc`.
    ///
    /// # Kernel
    ///
    /// `BPF_OBJ_GET_INFO_BY_FD` on links since Linux 5.8, which ends in `bpf_link_get_info_by_fd`
    /// (7.3).
    #[inline]
    pub fn info(&self) -> Result<LinkInfo> {
        let mut bytes = sys::InfoBytes::ZERO;
        let answer = self.ask(&mut bytes)?;
        self.answer(bytes, answer)
    }

    /// As [`info`](Self::info), but writes the info into the caller's variable, over any earlier
    /// one. After an error the variable is `None`.
    ///
    /// For callers that read many infos: moving an info costs more than reading it.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    #[inline]
    pub fn info_in<'a>(&self, slot: &'a mut Option<LinkInfo>) -> Result<&'a LinkInfo> {
        let info = slot.get_or_insert(LinkInfo::UNASKED);
        let asked = match self.ask(&mut info.bytes) {
            Ok(answer) => self.complete(info, answer),
            Err(error) => Err(error),
        };
        answer_in(slot, asked)
    }

    /// Reads the link's info, and its name and arrays into the caller's buffers.
    ///
    /// One system call if the link's kind is already known, from an earlier [`info`](Self::info) or
    /// [`kind`](Self::kind), otherwise two. No allocation. A buffer that this kernel has no field
    /// for is not changed. [`LinkInfo::is_reported`] says which fields the kernel has not written.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info), and
    ///
    /// - [`Error::InvalidRequest`]: the buffers are for another kind of link;
    /// - [`Error::LengthMismatch`]: the arrays that are not empty are not of one length;
    /// - [`Error::BufferTooShort`] (`ENOSPC`, `ENAMETOOLONG`): a name or an array does not fit; the
    ///   buffers may have the beginning of it.
    ///
    /// # Kernel
    ///
    /// As [`info`](Self::info); what each kind's buffers need is with [`InfoBuffers`].
    #[inline]
    pub fn info_with(&self, buffers: InfoBuffers<'_>) -> Result<LinkInfo> {
        let mut bytes = sys::InfoBytes::ZERO;
        let answer = self.ask_with(buffers, &mut bytes)?;
        self.answer(bytes, answer)
    }

    /// As [`info_with`](Self::info_with), but writes the info into the caller's variable, over any
    /// earlier one. After an error the variable is `None`.
    ///
    /// # Errors
    ///
    /// As [`info_with`](Self::info_with).
    #[inline]
    pub fn info_with_in<'a>(
        &self,
        buffers: InfoBuffers<'_>,
        slot: &'a mut Option<LinkInfo>,
    ) -> Result<&'a LinkInfo> {
        let info = slot.get_or_insert(LinkInfo::UNASKED);
        let asked = match self.ask_with(buffers, &mut info.bytes) {
            Ok(answer) => self.complete(info, answer),
            Err(error) => Err(error),
        };
        answer_in(slot, asked)
    }

    #[inline]
    fn ask(&self, bytes: &mut sys::InfoBytes) -> Result<sys::Answer> {
        self.fd
            .info(bytes)
            .map_err(|source| self.info_refused(source))
    }

    #[inline]
    fn ask_with(
        &self,
        buffers: InfoBuffers<'_>,
        bytes: &mut sys::InfoBytes,
    ) -> Result<sys::Answer> {
        let mut lent = buffers.lent();
        lent.check_lengths(|| self.target())?;
        match self.fd.info_with(bytes, &mut lent) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.buffers_refused()),
            Err(source) => Err(self.info_with_refused(source)),
        }
    }

    #[cold]
    fn buffers_refused(&self) -> Error {
        match self.kind() {
            Ok(kind) => {
                let link = Box::new(self.target());
                InvalidRequest::Buffers { link, kind }.into()
            }
            Err(error) => error,
        }
    }

    #[cold]
    fn info_with_refused(&self, source: std::io::Error) -> Error {
        let error = self.error(Command::ObjGetInfoByFd, source);
        match error.errno() {
            Some(libc::ENOSPC | libc::ENAMETOOLONG) => Error::BufferTooShort(error),
            _ => error.classify(),
        }
    }

    #[cold]
    pub(crate) fn info_refused(&self, source: std::io::Error) -> Error {
        self.error(Command::ObjGetInfoByFd, source).classify()
    }

    /// Puts an info together from what the kernel has written; in one go, as a copy of what has
    /// only just been written is slow.
    #[inline]
    fn answer(&self, bytes: sys::InfoBytes, answer: sys::Answer) -> Result<LinkInfo> {
        Ok(LinkInfo {
            id: self.id_in(&bytes)?,
            bytes,
            len: answer.len,
            missing: answer.missing,
        })
    }

    /// Completes an info that the kernel has written into.
    #[inline]
    fn complete(&self, info: &mut LinkInfo, answer: sys::Answer) -> Result<()> {
        info.id = self.id_in(&info.bytes)?;
        info.len = answer.len;
        info.missing = answer.missing;
        Ok(())
    }

    #[inline]
    fn id_in(&self, bytes: &sys::InfoBytes) -> Result<LinkId> {
        LinkId::new(bytes.u32_at(offset_of!(c::bpf_link_info, id))).ok_or_else(|| self.no_id())
    }
}

/// The answer that was put there, unless there is none.
#[inline]
fn answer_in(slot: &mut Option<LinkInfo>, asked: Result<()>) -> Result<&LinkInfo> {
    match asked {
        Ok(()) => Ok(slot.get_or_insert(LinkInfo::UNASKED)),
        Err(error) => {
            *slot = None;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A raw tracepoint with this id, a program with id 4, and a name of 13 bytes.
    fn recorded(id: u32) -> Vec<u8> {
        let kind = c::BPF_LINK_TYPE_RAW_TRACEPOINT;
        let fields = [kind, id, 4, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    #[test]
    fn recorded_bytes_are_an_info_again() {
        let bytes = recorded(3);
        let info = LinkInfo::from_bytes(&bytes).expect("it is whole");
        assert_eq!(info.kind(), LinkKind::RawTracepoint);
        assert_eq!(Some(info.id()), LinkId::new(3));
        assert_eq!(info.program_id(), ProgramId::new(4));
        assert_eq!((info.name_len(), info.count()), (Some(13), None));
        assert_eq!(info.kernel_len(), 64);
        assert_eq!(info.as_bytes(), bytes);
    }

    #[test]
    fn what_is_behind_the_end_is_not_there() {
        let mut bytes = recorded(3);
        loop {
            let len = bytes.len();
            let info = LinkInfo::from_bytes(&bytes);
            assert_eq!(info.is_some(), len >= 12, "{len} bytes");
            if let Some(info) = info {
                assert_eq!(info.as_bytes(), bytes);
                let (there, behind) = info.as_struct_bytes().split_at(len);
                assert_eq!(there, bytes);
                assert!(behind.iter().all(|byte| *byte == 0));
                // Half of the length of the name is not the length of the name.
                assert_eq!(info.name_len(), (len >= 28).then_some(13), "{len} bytes");
                assert_eq!(info.is_reported(0..12), Some(true));
                assert_eq!(info.is_reported(0..len + 1), Some(false));
            }
            if bytes.pop().is_none() {
                break;
            }
        }
    }

    #[test]
    fn what_is_newer_than_this_release_is_cut() {
        let mut longer = recorded(3);
        longer.extend([0xff; 24]);
        let info = LinkInfo::from_bytes(&longer).expect("it is whole");
        assert_eq!(info.as_bytes(), recorded(3));
        assert_eq!(info.kernel_len(), 64);
    }

    #[test]
    fn there_is_no_link_without_an_id() {
        assert_eq!(LinkInfo::from_bytes(&recorded(0)), None);
    }
}
