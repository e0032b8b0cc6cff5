//! The info of links that have names and arrays, for which buffers are lent.

use std::io;
use std::mem::offset_of;
use std::os::fd::BorrowedFd;

use bpf_link_sys::{
    BPF_LINK_TYPE_ITER, BPF_LINK_TYPE_KPROBE_MULTI, BPF_LINK_TYPE_PERF_EVENT,
    BPF_LINK_TYPE_RAW_TRACEPOINT, BPF_LINK_TYPE_TRACING_MULTI, BPF_LINK_TYPE_UPROBE_MULTI,
    bpf_link_info, bpf_link_type,
};

use super::{InfoWords, get_info, info};
use crate::sys::link_info;

macro_rules! at {
    ($($field:tt)+) => { offset_of!(bpf_link_info, raw_tracepoint_union.$($field)+) };
}

/// A link whose info has a name and no arrays.
#[derive(Debug)]
pub struct NamedLink<'a> {
    link: BorrowedFd<'a>,
    /// Where the address and the length of the name are.
    places: (usize, usize),
}

impl<'a> NamedLink<'a> {
    /// The link, if it is of such a kind.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn new(link: BorrowedFd<'a>) -> io::Result<Option<Self>> {
        let places = match kind(link)? {
            BPF_LINK_TYPE_RAW_TRACEPOINT => {
                (at!(raw_tracepoint.tp_name), at!(raw_tracepoint.tp_name_len))
            }
            BPF_LINK_TYPE_ITER => (at!(iter.target_name), at!(iter.target_name_len)),
            BPF_LINK_TYPE_PERF_EVENT => (
                at!(perf_event.uprobe_union.uprobe.file_name),
                at!(perf_event.uprobe_union.uprobe.name_len),
            ),
            _ => return Ok(None),
        };
        Ok(Some(Self { link, places }))
    }

    /// `BPF_OBJ_GET_INFO_BY_FD` with a buffer for the name; returns the length of that, or `None`
    /// if the kernel refuses.
    #[inline]
    pub fn info(&self, words: &mut InfoWords, name: &mut [u8; 4096]) -> Option<usize> {
        *words = [0; 8];
        // The kernel may have no name.
        name[0] = 0;
        let (pointer_at, len_at) = self.places;
        put_address(words, pointer_at, name);
        put_len(words, len_at, name.len());
        // SAFETY: the kernel has said that the link is of a kind that has the address and the
        // length of a name at these places, and no other buffer; `name` is live, writable, and as
        // long as that length.
        let answer = unsafe { get_info(self.link, words) };
        (answer == 0).then(|| len(name))
    }
}

/// A link whose info has arrays.
#[derive(Debug)]
pub struct ArraysLink<'a> {
    link: BorrowedFd<'a>,
    layout: &'static Layout,
    /// How many entries each array has.
    count: usize,
}

/// Where the info of a kind has the addresses of its buffers, and their lengths.
#[derive(Debug)]
struct Layout {
    kind: bpf_link_type,
    count: usize,
    /// The path of a file, and the size of that.
    path: Option<(usize, usize)>,
    /// An array of 32-bit numbers.
    ids: Option<usize>,
    /// Arrays of 64-bit numbers.
    numbers: &'static [usize],
}

const LAYOUTS: [Layout; 3] = [
    Layout {
        kind: BPF_LINK_TYPE_KPROBE_MULTI,
        count: at!(kprobe_multi.count),
        path: None,
        ids: None,
        numbers: &[at!(kprobe_multi.addrs), at!(kprobe_multi.cookies)],
    },
    Layout {
        kind: BPF_LINK_TYPE_UPROBE_MULTI,
        count: at!(uprobe_multi.count),
        path: Some((at!(uprobe_multi.path), at!(uprobe_multi.path_size))),
        ids: None,
        numbers: &[
            at!(uprobe_multi.offsets),
            at!(uprobe_multi.ref_ctr_offsets),
            at!(uprobe_multi.cookies),
        ],
    },
    Layout {
        kind: BPF_LINK_TYPE_TRACING_MULTI,
        count: at!(tracing_multi.count),
        path: None,
        ids: Some(at!(tracing_multi.ids)),
        numbers: &[at!(tracing_multi.addrs), at!(tracing_multi.cookies)],
    },
];

/// Buffers for the info of an [`ArraysLink`].
#[derive(Debug)]
pub struct Arrays {
    path: [u8; 4096],
    ids: Vec<u32>,
    numbers: [Vec<u64>; 3],
}

impl<'a> ArraysLink<'a> {
    /// The link, if it is of such a kind.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn new(link: BorrowedFd<'a>) -> io::Result<Option<Self>> {
        let info = link_info(link)?;
        let number = |at: usize| {
            let field = info.get(at..).and_then(<[u8]>::first_chunk);
            field.copied().map_or(0, u32::from_ne_bytes)
        };
        let kind = number(0);
        let layout = LAYOUTS.iter().find(|layout| layout.kind == kind);
        Ok(layout.map(|layout| Self {
            link,
            layout,
            count: number(layout.count) as usize,
        }))
    }

    /// Buffers that are long enough for this link.
    #[must_use]
    pub fn buffers(&self) -> Arrays {
        let numbers = || vec![0; self.count];
        Arrays {
            path: [0; 4096],
            ids: vec![0; self.count],
            numbers: [numbers(), numbers(), numbers()],
        }
    }

    /// `BPF_OBJ_GET_INFO_BY_FD` twice: once for the number of entries, and once for them. Returns
    /// the length of the path, or `None` if the kernel refuses.
    #[inline]
    pub fn info(&self, words: &mut InfoWords, arrays: &mut Arrays) -> Option<usize> {
        if info(self.link, words) != 0 {
            return None;
        }
        *words = [0; 8];
        put_len(words, self.layout.count, self.count);
        arrays.path[0] = 0;
        if let Some((pointer_at, len_at)) = self.layout.path {
            put_address(words, pointer_at, &mut arrays.path);
            put_len(words, len_at, arrays.path.len());
        }
        if let Some(pointer_at) = self.layout.ids {
            put_address(words, pointer_at, arrays.ids.get_mut(..self.count)?);
        }
        for (pointer_at, numbers) in self.layout.numbers.iter().zip(&mut arrays.numbers) {
            put_address(words, *pointer_at, numbers.get_mut(..self.count)?);
        }
        // SAFETY: the kernel has said that the link is of the layout's kind, so these are the
        // places of its buffers; those are live and writable, and as long as the lengths beside
        // them: each array has been cut to the count.
        let answer = unsafe { get_info(self.link, words) };
        (answer == 0).then(|| len(&arrays.path))
    }
}

/// The length of a name, as C finds it.
#[inline]
fn len(name: &[u8; 4096]) -> usize {
    // SAFETY: the bytes are live for the call, and no more of them are read than there are.
    unsafe { libc::strnlen(name.as_ptr().cast(), name.len()) }
}

fn kind(link: BorrowedFd<'_>) -> io::Result<bpf_link_type> {
    let info = link_info(link)?;
    Ok(info.first_chunk().copied().map_or(0, u32::from_ne_bytes))
}

/// Puts the address of a buffer at this offset, which is that of a word.
#[inline]
fn put_address<T>(words: &mut InfoWords, at: usize, buffer: &mut [T]) {
    if let Some(word) = words.get_mut(at / 8) {
        *word = buffer.as_mut_ptr() as u64;
    }
}

/// Puts a length at this offset, which is that of half a word.
#[inline]
fn put_len(words: &mut InfoWords, at: usize, len: usize) {
    let len = u32::try_from(len).unwrap_or(0);
    if let Some(word) = words.get_mut(at / 8) {
        let mut bytes = word.to_ne_bytes();
        if let Some(half) = bytes.get_mut(at % 8..at % 8 + 4) {
            half.copy_from_slice(&len.to_ne_bytes());
        }
        *word = u64::from_ne_bytes(bytes);
    }
}
