//! Links on the entry or exit of many kernel functions, through BPF trampolines.

mod attach;
mod ensure;
mod holders;
#[cfg(test)]
mod tests;

use bpf_link::{AttachType, BtfId, InfoBuffers};
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror};
use crate::info::buf::{Ask, room};
use crate::info::facts::facts;
use crate::info::hideable::Hideable;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::TracingMultiAttach;

link_type! {
    /// A link on the entry or exit of many kernel functions, through BPF trampolines.
    ///
    /// Since Linux 7.2. It is neither updated nor detached, and attached for as long as it exists.
    #[doc(alias = "BPF_LINK_TYPE_TRACING_MULTI")]
    pub struct TracingMultiLink: TracingMulti, TracingMultiInfo / TracingMultiInfoRef;
    facts: facts! {
        TracingMulti: "kernel functions", since "7.2";
        attach_type "7.3",
        btf_obj_id "7.3",
        count "7.3",
        ids "7.3",
        addresses "7.3",
        cookies "7.3",
    };
    ask: Ask::Arrays(|memory, count| InfoBuffers::TracingMulti {
        ids: room(&mut memory.ids, count),
        addresses: room(&mut memory.addresses, count),
        cookies: room(&mut memory.cookies, count),
    });
}

info! {
    /// What the kernel says about a [`TracingMultiLink`]: nothing before Linux 7.3.
    ///
    /// The order is that of the ids, from the smallest up, not that in which the link was created.
    pub struct TracingMultiInfo / TracingMultiInfoRef {
        /// Entry, exit or both. This is not the [`When`](crate::attach::When) that the builder
        /// takes, which cannot keep a number that this release does not know. Since Linux 7.3.
        attach_type: Option<AttachType>,
        /// The BTF object that the functions are described in. Since Linux 7.3.
        btf_obj_id: Option<BtfId>,
        /// How many functions there are. Since Linux 7.3.
        count: Option<u32>,
        /// The functions, as numbers of their types in the BTF object, as the kernel has written
        /// them: [`BtfTypeId::new`](crate::BtfTypeId::new) makes ids of them. Since Linux 7.3.
        ids: Option<Vec<u32>> => Option<&'a [u32]>,
        /// Where the program is called in each of the functions, which may be a few bytes after
        /// the function's own address. Since Linux 7.3.
        addresses: Option<Hideable<Vec<u64>>> => Option<Hideable<&'a [u64]>>,
        /// What `bpf_get_attach_cookie` returns to the program in each of the functions; zeros if
        /// there are no cookies. Since Linux 7.3.
        cookies: Option<Vec<u64>> => Option<&'a [u64]>,
    }
}

always_attached!(TracingMultiInfo, TracingMultiInfoRef<'_>);

mirror! {
    struct Fields: bpf_link_info__tracing_multi {
        attach_type: U32 = tracing_multi.attach_type,
        count: U32 = tracing_multi.count,
        btf_obj_id: U32 = tracing_multi.btf_obj_id,
        padding: U32,
        ids: U64 = tracing_multi.ids,
        addrs: U64 = tracing_multi.addrs,
        cookies: U64 = tracing_multi.cookies,
    }
}

impl<'a> TracingMultiInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Fields = answer.arm();
        // There is no link without functions, and with their number came everything else.
        let count = Some(fields.count.get()).filter(|count| *count != 0);
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            attach_type: count.map(|_| AttachType::from_raw(fields.attach_type.get())),
            btf_obj_id: BtfId::new(fields.btf_obj_id.get()),
            count,
            ids: answer.ids(fields.count.get()),
            addresses: answer.addresses(fields.count.get()),
            cookies: answer.cookies(fields.count.get()),
        }
    }
}
