//! Whether a link is on these functions, with these cookies.

use std::os::fd::BorrowedFd;

use bpf_link::KprobeMultiFlags;

use super::attach::Functions;
use super::{KprobeMultiAttach, KprobeMultiInfo, KprobeMultiLink};
use crate::attach::When;
use crate::attach::looked_up::LookedUp;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;
use crate::info::hideable::Hideable;

impl Recipe for KprobeMultiAttach<'_> {
    type Link = KprobeMultiLink;

    fn for_one_run(&self) -> Self {
        Self {
            names_are_clear: LookedUp::once(),
            ..self.clone()
        }
    }

    fn create(&self, program: BorrowedFd<'_>) -> Result<KprobeMultiLink> {
        self.attach(program)
    }

    fn compare(
        &self,
        _link: &KprobeMultiLink,
        info: &KprobeMultiInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let on_return = info
            .flags
            .map(|flags| flags.contains(KprobeMultiFlags::RETURN) == (self.when == When::Return));
        Ok(self.compare_functions(info).and(on_return))
    }
}

impl KprobeMultiAttach<'_> {
    fn compare_functions(&self, info: &KprobeMultiInfo) -> Match {
        let Some(count) = info.count else {
            return Match::Unclear;
        };
        let wanted = match &self.functions {
            Functions::Symbols(symbols) => symbols.len(),
            Functions::Addresses(addresses) => addresses.len(),
        };
        if u32::try_from(wanted) != Ok(count) {
            return Match::OtherHook;
        }
        // The info has addresses, which may be hidden, and no symbols.
        let (Functions::Addresses(wanted), Some(Hideable::Visible(found))) =
            (&self.functions, &info.addresses)
        else {
            return Match::Unclear;
        };
        let cookies = self.cookies.as_deref().unwrap_or_default();
        let wanted = in_order(wanted, cookies);
        let found_cookies = info.cookies.as_deref();
        let found = in_order(found, found_cookies.unwrap_or_default());
        let addresses = |functions: &[(u64, u64)]| -> Vec<u64> {
            functions.iter().map(|(address, _)| *address).collect()
        };
        let has_cookies = found_cookies.map(|_| wanted == found);
        Match::hook(Some(addresses(&wanted) == addresses(&found))).and(has_cookies)
    }
}

/// The functions by their addresses, each with its cookie: 0 if there are none.
fn in_order(addresses: &[u64], cookies: &[u64]) -> Vec<(u64, u64)> {
    let cookies = cookies.iter().copied().chain(std::iter::repeat(0));
    let mut functions: Vec<(u64, u64)> = addresses.iter().copied().zip(cookies).collect();
    functions.sort_unstable();
    functions
}
