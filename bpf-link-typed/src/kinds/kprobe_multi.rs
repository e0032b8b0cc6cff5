//! Links on the entry or return of many kernel functions.

mod attach;
mod ensure;
#[cfg(test)]
mod tests;

use bpf_link::{InfoBuffers, KprobeMultiFlags};
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, may_have, mirror, reported};
use crate::info::buf::{Ask, room};
use crate::info::facts::facts;
use crate::info::hideable::Hideable;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::KprobeMultiAttach;

link_type! {
    /// A link on the entry or return of many kernel functions.
    ///
    /// Since Linux 5.18. It is neither updated nor detached, and attached for as long as it exists.
    #[doc(alias = "BPF_LINK_TYPE_KPROBE_MULTI")]
    pub struct KprobeMultiLink: KprobeMulti, KprobeMultiInfo / KprobeMultiInfoRef;
    facts: facts! {
        KprobeMulti: "kernel functions", since "5.18";
        count "6.6",
        addresses "6.6",
        flags "6.6",
        missed "6.7",
        cookies "6.9",
    };
    ask: Ask::Arrays(|memory, count| InfoBuffers::KprobeMulti {
        addresses: room(&mut memory.addresses, count),
        cookies: room(&mut memory.cookies, count),
    });
}

info! {
    /// What the kernel says about a [`KprobeMultiLink`]: nothing before Linux 6.6.
    ///
    /// The order is the kernel's, not that in which the link was created: functions that were given
    /// by name are sorted by it, and all are sorted by address if there are cookies. Whether the
    /// program is a session is not part of it.
    pub struct KprobeMultiInfo / KprobeMultiInfoRef {
        /// How many functions there are. Since Linux 6.6.
        count: Option<u32>,
        /// Where the functions are. Since Linux 6.6.
        addresses: Option<Hideable<Vec<u64>>> => Option<Hideable<&'a [u64]>>,
        /// What `bpf_get_attach_cookie` returns to the program in each of the functions, in the
        /// order of the addresses; zeros if there are no cookies. Since Linux 6.9.
        cookies: Option<Vec<u64>> => Option<&'a [u64]>,
        /// Whether the program runs on return. This is not a [`When`](crate::attach::When), because
        /// a session looks the same as an entry. Since Linux 6.6.
        flags: Option<KprobeMultiFlags>,
        /// How often the program should have run and did not, as it ran already. Since Linux 6.7.
        missed: Option<u64>,
    }
}

always_attached!(KprobeMultiInfo, KprobeMultiInfoRef<'_>);

mirror! {
    struct Fields: bpf_link_info__kprobe_multi {
        addrs: U64 = kprobe_multi.addrs,
        count: U32 = kprobe_multi.count,
        flags: U32 = kprobe_multi.flags,
        missed: U64 = kprobe_multi.missed,
        cookies: U64 = kprobe_multi.cookies,
    }
}

impl<'a> KprobeMultiInfoRef<'a> {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'a>) -> Self {
        let fields: &Fields = answer.arm();
        // There is no link without functions, and with their number came the flags.
        let count = Some(fields.count.get()).filter(|count| *count != 0);
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            count,
            addresses: answer.addresses(fields.count.get()),
            cookies: answer
                .cookies(fields.count.get())
                .filter(|_| may_have!(answer, fields: Fields, cookies)),
            flags: count.map(|_| KprobeMultiFlags::from_bits_retain(fields.flags.get())),
            missed: reported!(answer, fields: Fields, missed),
        }
    }
}
