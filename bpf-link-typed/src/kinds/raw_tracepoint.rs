//! Links on a tracepoint, of a raw or a BTF-typed program.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString};

use bpf_link::InfoBuffers;
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror, reported};
use crate::info::buf::{Ask, name_room};
use crate::info::facts::facts;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::RawTracepointAttach;

link_type! {
    /// A link on a tracepoint, of a raw or a BTF-typed program.
    ///
    /// Since Linux 5.7. It is neither updated nor detached, and attached for as long as it exists.
    #[doc(alias = "BPF_LINK_TYPE_RAW_TRACEPOINT")]
    pub struct RawTracepointLink: RawTracepoint, RawTracepointInfo / RawTracepointInfoRef;
    facts: facts! {
        RawTracepoint: "a tracepoint", since "5.7";
        name "5.8",
        cookie "6.17",
    };
    ask: Ask::Name(|memory| InfoBuffers::RawTracepoint { name: name_room(&mut memory.name) });
}

info! {
    /// What the kernel says about a [`RawTracepointLink`].
    pub struct RawTracepointInfo / RawTracepointInfoRef {
        /// The name of the tracepoint, without its category.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::info::serde_name"))]
        name: Option<CString> => Option<&'a CStr>,
        /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.17; the cookie itself
        /// is older (6.10).
        cookie: Option<u64>,
    }
}

always_attached!(RawTracepointInfo, RawTracepointInfoRef<'_>);

mirror! {
    struct Fields: bpf_link_info__raw_tracepoint {
        tp_name: U64 = raw_tracepoint.tp_name,
        tp_name_len: U32 = raw_tracepoint.tp_name_len,
        padding: U32,
        cookie: U64 = raw_tracepoint.cookie,
    }
}

impl<'a> RawTracepointInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            name: answer.name(),
            cookie: reported!(answer, fields: Fields, cookie),
        }
    }
}
