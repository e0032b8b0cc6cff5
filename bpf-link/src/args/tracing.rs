//! The target and cookie of a tracing program.

use crate::id::BtfTypeId;

/// What a tracing program, an LSM program, an extension or a BTF-typed raw tracepoint is created
/// with (`link_create.tracing`; the target since Linux 5.10, the cookie since Linux 5.19).
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingArgs {
    pub(crate) target_btf_id: Option<BtfTypeId>,
    pub(crate) cookie: u64,
}

impl TracingArgs {
    /// Neither target nor cookie.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The function, in the BTF of the program that is the link's target, that an extension takes
    /// the place of. It goes with [`LinkCreate::target_fd`](super::LinkCreate::target_fd).
    #[must_use]
    pub fn target_btf_id(mut self, id: BtfTypeId) -> Self {
        self.target_btf_id = Some(id);
        self
    }

    /// What `bpf_get_attach_cookie` gives the program. Since Linux 5.19.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }
}
