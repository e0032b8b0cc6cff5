//! Links on a sockmap or sockhash.

mod attach;
mod ensure;
mod hook;
mod query;
#[cfg(test)]
mod tests;

use bpf_link::{AttachType, MapId};
use zerocopy::native_endian::U32;

use crate::info::answer::{Answer, mirror};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::info;
use crate::link::link_type::link_type;

pub use attach::SockmapAttach;
pub use hook::SockmapHook;

link_type! {
    /// A link on the sockets of a sockmap or sockhash.
    ///
    /// Since Linux 6.10. Updated by a program, and detached. It keeps the map; once it was
    /// detached, it has none.
    #[doc(alias = "BPF_LINK_TYPE_SOCKMAP")]
    pub struct SockmapLink: Sockmap, SockmapInfo;
    facts: facts! {
        Sockmap: "a sockmap", since "6.10", detach since "6.10", gone without map_id;
        map_id "6.10",
        attach_type "6.10",
    };
    ask: Ask::Fields;
    has: update, detach;
}

info! {
    /// What the kernel says about a [`SockmapLink`].
    pub struct SockmapInfo {
        /// The map. `None` once the link was detached.
        map_id: Option<MapId>,
        /// What the program does for the sockets in the map.
        attach_type: SockmapHook,
    }
}

mirror! {
    struct Fields: bpf_link_info__sockmap {
        map_id: U32 = sockmap.map_id,
        attach_type: U32 = sockmap.attach_type,
    }
}

impl SockmapInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            map_id: MapId::new(fields.map_id.get()),
            attach_type: SockmapHook::from_attach_type(AttachType::from_raw(
                fields.attach_type.get(),
            )),
        }
    }

    /// Whether the link was detached.
    #[must_use]
    pub fn is_defunct(&self) -> Option<bool> {
        Some(self.map_id.is_none())
    }
}
