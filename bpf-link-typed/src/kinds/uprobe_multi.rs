//! Links on many places in a user-space file.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString};

use bpf_link::{InfoBuffers, UprobeMultiFlags};
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror};
use crate::info::buf::{Ask, name_room, room};
use crate::info::facts::facts;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::UprobeMultiAttach;

link_type! {
    /// A link on many places in a user-space file.
    ///
    /// Since Linux 6.6. It is neither updated nor detached, and attached for as long as it exists.
    #[doc(alias = "BPF_LINK_TYPE_UPROBE_MULTI")]
    pub struct UprobeMultiLink: UprobeMulti, UprobeMultiInfo / UprobeMultiInfoRef;
    facts: facts! {
        UprobeMulti: "places in a file", since "6.6";
        path "6.8",
        count "6.8",
        offsets "6.8",
        ref_ctr_offsets "6.8",
        cookies "6.8",
        flags "6.8",
        pid "6.8",
    };
    ask: Ask::Arrays(|memory, count| InfoBuffers::UprobeMulti {
        path: name_room(&mut memory.name),
        offsets: room(&mut memory.offsets, count),
        ref_ctr_offsets: room(&mut memory.ref_ctr_offsets, count),
        cookies: room(&mut memory.cookies, count),
    });
}

info! {
    /// What the kernel says about a [`UprobeMultiLink`]: nothing before Linux 6.8.
    ///
    /// The order is that in which the link was created. Whether the program is a session is not
    /// part of it.
    ///
    /// While the path of the file is longer than 4,095 bytes, the kernel refuses to say anything:
    /// every field but the ids of the link and of the program is `None`.
    pub struct UprobeMultiInfo / UprobeMultiInfoRef {
        /// The file, as seen from the caller's root; with ` (deleted)` after it if it has been.
        /// Since Linux 6.8.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        path: Option<CString> => Option<&'a CStr>,
        /// How many places there are. Since Linux 6.8.
        count: Option<u32>,
        /// The places, in bytes from the start of the file. Since Linux 6.8.
        offsets: Option<Vec<u64>> => Option<&'a [u64]>,
        /// The reference counter that belongs to each place, in bytes from the start of the file; 0
        /// for none. Since Linux 6.8.
        ref_ctr_offsets: Option<Vec<u64>> => Option<&'a [u64]>,
        /// What `bpf_get_attach_cookie` returns to the program in each of the places; zeros if
        /// there are no cookies. Since Linux 6.8.
        cookies: Option<Vec<u64>> => Option<&'a [u64]>,
        /// Whether the program runs on return, and whether the file was given by its descriptor.
        /// This is not a [`When`](crate::attach::When), because a session looks the same as an
        /// entry. Since Linux 6.8.
        flags: Option<UprobeMultiFlags>,
        /// The process that the places are watched in, in the caller's PID namespace. It is 0 if
        /// that is every process, and also once the process has exited, as the kernel does not tell
        /// the two apart. Since Linux 6.8.
        pid: Option<u32>,
    }
}

always_attached!(UprobeMultiInfo, UprobeMultiInfoRef<'_>);

mirror! {
    struct Fields: bpf_link_info__uprobe_multi {
        path: U64 = uprobe_multi.path,
        offsets: U64 = uprobe_multi.offsets,
        ref_ctr_offsets: U64 = uprobe_multi.ref_ctr_offsets,
        cookies: U64 = uprobe_multi.cookies,
        path_size: U32 = uprobe_multi.path_size,
        count: U32 = uprobe_multi.count,
        flags: U32 = uprobe_multi.flags,
        pid: U32 = uprobe_multi.pid,
    }
}

impl<'a> UprobeMultiInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Fields = answer.arm();
        // There is no link without places, and with their number came everything else.
        let count = Some(fields.count.get()).filter(|count| *count != 0);
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            path: answer.name(),
            count,
            offsets: answer.offsets(fields.count.get()),
            ref_ctr_offsets: answer.ref_ctr_offsets(fields.count.get()),
            cookies: answer.cookies(fields.count.get()),
            flags: count.map(|_| UprobeMultiFlags::from_bits_retain(fields.flags.get())),
            pid: count.map(|_| fields.pid.get()),
        }
    }
}
