//! Links on a netfilter hook.

mod attach;
mod ensure;
mod hook;
#[cfg(test)]
mod tests;

use bpf_link::NetfilterFlags;
use zerocopy::native_endian::{I32, U32};

use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::NetfilterAttach;
pub use hook::{NetfilterFamily, NetfilterHook};

link_type! {
    /// A link on a netfilter hook.
    ///
    /// Since Linux 6.4. It is not updated. It can be detached, but the kernel does not say
    /// afterwards that it was. It keeps the network namespace that it was made in.
    #[doc(alias = "BPF_LINK_TYPE_NETFILTER")]
    pub struct NetfilterLink: Netfilter, NetfilterInfo;
    facts: facts! {
        Netfilter: "a netfilter hook", since "6.4", detach since "6.4";
        family "6.4",
        hook "6.4",
        priority "6.4",
        flags "6.4",
    };
    ask: Ask::Fields;
    has: detach;
}

info! {
    /// What the kernel says about a [`NetfilterLink`]; the same whether it is attached or not.
    pub struct NetfilterInfo {
        /// The family of protocols.
        family: NetfilterFamily,
        /// The hook.
        hook: NetfilterHook,
        /// The place among the others on the hook, which run from the lowest to the highest.
        priority: i32,
        /// Whether fragments are put together before the program sees them.
        flags: NetfilterFlags,
    }
}

mirror! {
    struct Fields: bpf_link_info__netfilter {
        pf: U32 = netfilter.pf,
        hooknum: U32 = netfilter.hooknum,
        priority: I32 = netfilter.priority,
        flags: U32 = netfilter.flags,
    }
}

impl NetfilterInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            family: NetfilterFamily::from_raw(fields.pf.get()),
            hook: NetfilterHook::from_raw(fields.hooknum.get()),
            priority: fields.priority.get(),
            flags: NetfilterFlags::from_bits_retain(fields.flags.get()),
        }
    }

    /// Whether the link is without its hook: `None`, as the kernel does not say.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        None
    }
}
