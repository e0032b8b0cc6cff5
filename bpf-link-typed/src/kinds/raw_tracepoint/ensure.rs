//! Whether a link is on this tracepoint, with this cookie.

use std::os::fd::BorrowedFd;

use bpf_link::{RawLink, RawTracepointOpen};

use super::{RawTracepointAttach, RawTracepointLink};
use crate::ensure::{Match, Old, Recipe, Wanted, WayBack};
use crate::error::Result;

impl Recipe for RawTracepointAttach<'_> {
    type Link = RawTracepointLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<RawTracepointLink> {
        self.attach(&program)
    }

    fn compare(&self, link: &RawTracepointLink, wanted: &Wanted<'_>) -> Result<Match> {
        let info = link.info()?;
        let is_same = match (self.name, &info.name) {
            (Some(name), Some(found)) => Some(name == found.as_c_str()),
            (Some(_), None) => None,
            (None, _) => wanted.has_load_time_target_of(&link.0)?,
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
    fn is_in_the_way(&self, old: &Old<'_, RawTracepointLink>) -> Result<bool> {
        Ok(old.found.is_here() && old.same_program)
    }

    fn way_back(&self, old: &RawTracepointLink) -> Result<WayBack<'_, RawTracepointLink>> {
        let to = Self {
            cookie: old.info()?.cookie.or(self.cookie),
            ..*self
        };
        Ok(Box::new(move |program| to.attach(&program)))
    }
}

/// Whether this kernel has cookies for raw tracepoints: asked for a program that is none.
fn has_cookies(no_program: &RawTracepointLink) -> bool {
    let attempt = RawTracepointOpen::named(no_program, c"?")
        .and_then(|request| RawLink::open_raw_tracepoint(&request.cookie(1)));
    !matches!(attempt, Err(bpf_link::Error::UnsupportedByKernel(_)))
}
