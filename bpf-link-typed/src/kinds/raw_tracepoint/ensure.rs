//! Whether a link is on this tracepoint, with this cookie.

use std::os::fd::BorrowedFd;

use bpf_link::{RawLink, RawTracepointOpen};

use super::{RawTracepointAttach, RawTracepointInfo, RawTracepointLink};
use crate::ensure::{Blocks, Match, Old, Recipe, Wanted};
use crate::error::Result;

impl Recipe for RawTracepointAttach<'_> {
    type Link = RawTracepointLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<RawTracepointLink> {
        self.attach(program)
    }

    fn compare(
        &self,
        link: &RawTracepointLink,
        info: &RawTracepointInfo,
        wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let is_same = match (&self.name, &info.name) {
            (Some(name), Some(found)) => Some(name.is(found)),
            (Some(_), None) => None,
            (None, _) => wanted.has_load_time_target_of(info.program_id)?,
        };
        let cookie = self.cookie.unwrap_or(0);
        let has_cookie = match info.cookie {
            Some(found) => Some(found == cookie),
            None if cookie == 0 && !has_cookies(link) => Some(true),
            None => None,
        };
        Ok(Match::hook(is_same).and(has_cookie))
    }

    /// Before Linux 6.10 a tracepoint does not take one program twice.
    fn blocks(&self, old: &Old<'_, RawTracepointInfo>) -> Result<Blocks> {
        Ok(Blocks::always_if(old.found.is_here() && old.same_program))
    }

    fn way_back(&self, old: &RawTracepointInfo) -> Result<Self> {
        let to = Self {
            cookie: old.cookie.or(self.cookie),
            ..self.clone()
        };
        Ok(to)
    }
}

/// Whether this kernel has cookies for raw tracepoints: asked with a descriptor that is not a
/// program.
fn has_cookies(no_program: &RawTracepointLink) -> bool {
    let attempt = RawTracepointOpen::named(no_program, c"?")
        .and_then(|request| RawLink::open_raw_tracepoint(&request.cookie(1)));
    !matches!(attempt, Err(bpf_link::Error::UnsupportedByKernel(_)))
}
