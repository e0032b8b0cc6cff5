//! Links on a function of the kernel or of another program, on a hook of the security modules, and
//! of extensions.

mod attach;
mod ensure;
mod hook;
#[cfg(test)]
mod tests;

use bpf_link::{AttachType, BtfTypeId};
use zerocopy::native_endian::{U32, U64};

use crate::info::answer::{Answer, mirror, reported};
use crate::info::buf::Ask;
use crate::info::facts::facts;
use crate::info::types::{always_attached, info};
use crate::link::link_type::link_type;

pub use attach::TracingAttach;
pub use hook::TracingHook;

link_type! {
    /// A link on the entry or exit of a function of the kernel or of another program, on a hook of
    /// the security modules, or in the place of a function of another program (an extension).
    ///
    /// Since Linux 5.7. It is neither updated nor detached, and attached for as long as it exists.
    #[doc(alias = "BPF_LINK_TYPE_TRACING")]
    pub struct TracingLink: Tracing, TracingInfo;
    facts: facts! {
        Tracing: "a function, a security hook", since "5.7";
        attach_type "5.8",
        target_obj_id "5.13",
        target_btf_id "5.13",
        cookie "6.17",
    };
    ask: Ask::Fields;
}

info! {
    /// What the kernel says about a [`TracingLink`].
    pub struct TracingInfo {
        /// What the program is attached to. That of an extension says nothing: it is 0 up to Linux
        /// 6.12, and later whatever number the link was created with.
        attach_type: TracingHook,
        /// Where the function is: the id of the program if it is a function of a program, otherwise
        /// the id of the BTF object of the kernel or of a module. The kernel does not say which of
        /// the two. Since Linux 5.13.
        target_obj_id: Option<u32>,
        /// The function, as the number of its type in the BTF object. Since Linux 5.13.
        target_btf_id: Option<BtfTypeId>,
        /// What `bpf_get_attach_cookie` returns to the program. Since Linux 6.17; the cookie itself
        /// is older (5.19).
        cookie: Option<u64>,
    }
}

always_attached!(TracingInfo);

mirror! {
    struct Fields: bpf_link_info__tracing {
        attach_type: U32 = tracing.attach_type,
        target_obj_id: U32 = tracing.target_obj_id,
        target_btf_id: U32 = tracing.target_btf_id,
        padding: U32,
        cookie: U64 = tracing.cookie,
    }
}

impl TracingInfo {
    #[inline]
    pub(crate) fn parse(answer: &Answer<'_>) -> Self {
        let fields: &Fields = answer.arm();
        Self {
            id: answer.id(),
            program_id: answer.program_id(),
            attach_type: TracingHook::from_attach_type(AttachType::from_raw(
                fields.attach_type.get(),
            )),
            target_obj_id: reported!(answer, fields: Fields, target_obj_id).filter(|id| *id != 0),
            target_btf_id: reported!(answer, fields: Fields, target_btf_id)
                .and_then(BtfTypeId::new),
            cookie: reported!(answer, fields: Fields, cookie),
        }
    }
}
