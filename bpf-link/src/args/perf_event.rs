//! The cookie of a perf event.

/// What a perf event's link is created with (`link_create.perf_event`, since Linux 5.15).
#[derive(Clone, Copy, Debug, Default)]
pub struct PerfEventArgs {
    pub(crate) cookie: u64,
}

impl PerfEventArgs {
    /// What `bpf_get_attach_cookie` gives the program.
    #[must_use]
    pub fn cookie(cookie: u64) -> Self {
        Self { cookie }
    }
}
