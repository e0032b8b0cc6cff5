//! `BPF_OBJ_GET_INFO_BY_FD`, and the descriptor that remembers what it said.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpf_link_sys as c;

use super::fdinfo::info_without_path;
use super::identity::{Identity, Remembered};
use super::info_bytes::InfoBytes;
use super::marks::{ByteSet, MARK_32, mark_64, marked, without_info};
use super::pinned::identity_of_pinned;
use super::{bpf, is_link, len_of, raw};
use crate::args::InfoBuffers;
use crate::kind::LinkKind;

/// A file descriptor that is a link, and what the kernel has said about it.
///
/// Only this module makes one with an identity, from what the kernel answered on the very descriptor: that is what
/// makes it sound to put pointers into an info request, whose meaning depends on the link's kind.
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

    /// The descriptor, if it is a link; otherwise gives it back, with an error if the kernel would not tell.
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

    /// Puts the info without names and arrays there; returns its length.
    #[inline]
    pub(crate) fn info(&self, info: &mut InfoBytes) -> io::Result<u32> {
        *info = InfoBytes::ZERO;
        // SAFETY: `info` is all zeros: no pointer for the kernel to follow.
        match unsafe { get_info(self.fd.as_fd(), info) } {
            Ok(len) => {
                self.identity.put(Identity::of(info, len));
                Ok(len)
            }
            // Its identity is not put by, as how long an info is on this kernel is not known.
            Err(refusal) => info_without_path(refusal, self.fd.as_fd(), info),
        }
    }

    /// What never changes about this link; asks the kernel if it has not said yet.
    #[inline]
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        if let Some(identity) = self.known() {
            return Ok(identity);
        }
        let mut info = InfoBytes::ZERO;
        let len = self.info(&mut info)?;
        Ok(Identity::of(&info, len))
    }

    /// Puts the info there, and names and arrays into the lent buffers; `None` if those are for another kind of link.
    #[inline]
    pub(crate) fn info_with(
        &self,
        info: &mut InfoBytes,
        buffers: &mut InfoBuffers<'_>,
    ) -> io::Result<Option<Answer>> {
        let identity = self.identity()?;
        if buffers.kind().as_raw() != identity.kind {
            return Ok(None);
        }
        *info = InfoBytes::ZERO;
        let mut request = Request {
            info,
            known_len: identity.info_len as usize,
        };
        let mark_64 = mark_64();
        request.mark(buffers.kind(), mark_64);
        let pointers = request.fill(buffers);
        // SAFETY: `fill` puts each pointer where a link of the buffers' kind has it, and `mark` puts no mark there; the
        // kernel has said that this link is of that kind; each pointer is for a slice that `buffers` borrows mutably for
        // longer than the call, and the length beside it is the slice's own, or that of the shortest slice where one
        // length goes for several.
        let len = match unsafe { get_info(self.fd.as_fd(), info) } {
            Ok(len) => len,
            Err(refusal) if lends_a_short_path(buffers) => return Err(refusal),
            Err(refusal) => info_without_path(refusal, self.fd.as_fd(), info)?,
        };
        // The kernel gives the addresses of our buffers back; they say nothing about the link.
        for (offset, address) in pointers.iter().flatten() {
            info.take(*offset, address.to_ne_bytes());
        }
        let missing = take_marks(info, buffers.kind(), mark_64, len as usize);
        Ok(Some(Answer { len, missing }))
    }
}

/// What the kernel answered besides the info.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The length that it says.
    pub(crate) len: u32,
    /// The bytes of the fields that it has not written.
    pub(crate) missing: ByteSet,
}

impl AsFd for LinkFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether there is room for a path, but not for every path that the kernel writes.
fn lends_a_short_path(buffers: &InfoBuffers<'_>) -> bool {
    const LONGEST: usize = libc::PATH_MAX as usize;
    matches!(buffers, InfoBuffers::UprobeMulti { path, .. } if (1..LONGEST).contains(&path.len()))
}

/// Where in an info request an address was put, and which.
type Pointer = Option<(usize, u64)>;

/// An info request that is being filled in.
struct Request<'a> {
    info: &'a mut InfoBytes,
    /// Nothing but zeros may be sent beyond this length: the kernel would refuse the whole request.
    known_len: usize,
}

/// Makes the fields zeros that still have their marks, and says which.
#[inline]
fn take_marks(info: &mut InfoBytes, kind: LinkKind, mark_64: u64, len: usize) -> ByteSet {
    let mut missing = ByteSet::default();
    let (short, long) = marked(kind);
    for &offset in short {
        if info.take(offset, MARK_32.to_ne_bytes()) {
            missing.insert(offset..offset + size_of::<u32>());
        }
    }
    for &offset in long {
        if info.take(offset, mark_64.to_ne_bytes()) {
            missing.insert(offset..offset + size_of::<u64>());
        }
    }
    if let Some((tells, bytes)) = without_info(kind) {
        let tells = tells..tells + size_of::<u32>();
        if tells.end > len || missing.intersects(tells) {
            info.clear(bytes.clone());
            missing.insert(bytes);
        }
    }
    missing
}

impl Request<'_> {
    /// Marks the fields that the kernel may leave as they are.
    #[inline]
    fn mark(&mut self, kind: LinkKind, mark_64: u64) {
        let (short, long) = marked(kind);
        for &offset in short {
            if self.has(offset + size_of::<u32>()) {
                self.info.put(offset, MARK_32.to_ne_bytes());
            }
        }
        for &offset in long {
            if self.has(offset + size_of::<u64>()) {
                self.info.put(offset, mark_64.to_ne_bytes());
            }
        }
    }

    /// Puts the addresses and lengths of the buffers where their kind has them.
    #[inline]
    fn fill(&mut self, buffers: &mut InfoBuffers<'_>) -> [Pointer; 4] {
        macro_rules! at {
            ($($field:tt)+) => { offset_of!(c::bpf_link_info, raw_tracepoint_union.$($field)+) };
        }
        // The name is at one place for every type of perf event that has one, and the kernel alone knows which it is.
        const {
            assert!(
                at!(perf_event.uprobe_union.uprobe.file_name)
                    == at!(perf_event.uprobe_union.kprobe.func_name)
            );
            assert!(
                at!(perf_event.uprobe_union.uprobe.file_name)
                    == at!(perf_event.uprobe_union.tracepoint.tp_name)
            );
            assert!(
                at!(perf_event.uprobe_union.uprobe.name_len)
                    == at!(perf_event.uprobe_union.kprobe.name_len)
            );
            assert!(
                at!(perf_event.uprobe_union.uprobe.name_len)
                    == at!(perf_event.uprobe_union.tracepoint.name_len)
            );
        }
        match buffers {
            InfoBuffers::Tracing => [None; 4],
            InfoBuffers::RawTracepoint { name } => [
                self.name(
                    at!(raw_tracepoint.tp_name),
                    at!(raw_tracepoint.tp_name_len),
                    name,
                ),
                None,
                None,
                None,
            ],
            InfoBuffers::Iter { target_name } => [
                self.name(
                    at!(iter.target_name),
                    at!(iter.target_name_len),
                    target_name,
                ),
                None,
                None,
                None,
            ],
            InfoBuffers::PerfEvent { name } => [
                self.name(
                    at!(perf_event.uprobe_union.uprobe.file_name),
                    at!(perf_event.uprobe_union.uprobe.name_len),
                    name,
                ),
                None,
                None,
                None,
            ],
            InfoBuffers::KprobeMulti { addresses, cookies } => {
                self.len(
                    at!(kprobe_multi.count),
                    shortest([addresses.len(), cookies.len(), 0]),
                );
                [
                    self.array(at!(kprobe_multi.addrs), addresses),
                    self.array(at!(kprobe_multi.cookies), cookies),
                    None,
                    None,
                ]
            }
            InfoBuffers::UprobeMulti {
                path,
                offsets,
                ref_ctr_offsets,
                cookies,
            } => {
                self.len(
                    at!(uprobe_multi.count),
                    shortest([offsets.len(), ref_ctr_offsets.len(), cookies.len()]),
                );
                [
                    self.name(at!(uprobe_multi.path), at!(uprobe_multi.path_size), path),
                    self.array(at!(uprobe_multi.offsets), offsets),
                    self.array(at!(uprobe_multi.ref_ctr_offsets), ref_ctr_offsets),
                    self.array(at!(uprobe_multi.cookies), cookies),
                ]
            }
            InfoBuffers::TracingMulti {
                ids,
                addresses,
                cookies,
            } => {
                self.len(
                    at!(tracing_multi.count),
                    shortest([ids.len(), addresses.len(), cookies.len()]),
                );
                [
                    self.array(at!(tracing_multi.ids), ids),
                    self.array(at!(tracing_multi.addrs), addresses),
                    self.array(at!(tracing_multi.cookies), cookies),
                    None,
                ]
            }
        }
    }

    /// A name: neither its address nor its length without the other.
    #[inline]
    fn name(&mut self, pointer_at: usize, len_at: usize, name: &mut [u8]) -> Pointer {
        if !self.has(len_at + size_of::<u32>()) {
            return None;
        }
        let pointer = self.array(pointer_at, name)?;
        self.len(len_at, name.len());
        Some(pointer)
    }

    /// The address of an array that has entries, if this kernel has the field.
    #[inline]
    fn array<T>(&mut self, at: usize, array: &mut [T]) -> Pointer {
        if array.is_empty() || !self.has(at + size_of::<u64>()) {
            return None;
        }
        let address = array.as_mut_ptr() as u64;
        self.info.put(at, address.to_ne_bytes());
        Some((at, address))
    }

    /// A length, which may be smaller than the true one, but never larger.
    #[inline]
    fn len(&mut self, at: usize, len: usize) {
        if self.has(at + size_of::<u32>()) {
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            self.info.put(at, len.to_ne_bytes());
        }
    }

    #[inline]
    fn has(&self, end: usize) -> bool {
        end <= self.known_len
    }
}

/// The length that every array has which is asked for.
#[inline]
fn shortest(lens: [usize; 3]) -> usize {
    lens.into_iter().filter(|len| *len != 0).min().unwrap_or(0)
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
    // - its only pointer is `start`, which is live for the call, as long as `info_len` says, and ours to write; the
    //   kernel takes the fields behind it for zeros, and so follows no pointer.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(start)
}

/// `BPF_OBJ_GET_INFO_BY_FD`; returns the length that the kernel says.
///
/// # Safety
///
/// Every pointer in `info`, at the place that the link's kind has it, is live for the call, writable, and as long as
/// the length or count that goes with it.
#[inline]
unsafe fn get_info(link: BorrowedFd<'_>, info: &mut InfoBytes) -> io::Result<u32> {
    let mut attr = c::bpf_attr__info {
        bpf_fd: raw(link),
        info_len: len_of::<InfoBytes>(),
        info: (&raw mut *info) as u64,
    };
    // SAFETY:
    // - the attr is three initialised integers without padding;
    // - its only pointer is `info`, which is live for the call, as long as `info_len` says, and ours to write;
    // - the caller vouches for the pointers inside `info`.
    unsafe { bpf(c::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(attr.info_len)
}
