//! Whether a link is on these functions, with these cookies.

use std::os::fd::BorrowedFd;

use super::{TracingMultiAttach, TracingMultiInfo, TracingMultiLink};
use crate::attach::looked_up::LookedUp;
use crate::ensure::{Blocks, Match, Old, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for TracingMultiAttach<'_> {
    type Link = TracingMultiLink;

    fn for_one_run(&self) -> Self {
        Self {
            ids: LookedUp::once(),
            ..self.clone()
        }
    }

    fn create(&self, program: BorrowedFd<'_>) -> Result<TracingMultiLink> {
        self.create_link(program)
    }

    fn name_holders(&self, program: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(program, refusal)
    }

    fn compare(
        &self,
        _link: &TracingMultiLink,
        info: &TracingMultiInfo,
        wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let (Some(attach_type), Some(ids), Some(cookies)) =
            (info.attach_type, &info.ids, &info.cookies)
        else {
            return Ok(Match::Unclear);
        };
        let object = wanted
            .program
            .as_ref()
            .and_then(|program| program.attach_btf_obj_id);
        if attach_type != self.attach_type() || ids.len() != self.functions.len() {
            return Ok(Match::hook(Some(false)));
        }
        // The kernel has them in the order of the ids, and the cookies with them.
        let mut functions = self.with_cookies(wanted.object)?;
        functions.sort_unstable();
        let is_same = object.is_none_or(|object| info.btf_obj_id == Some(object))
            && functions.iter().map(|(id, _)| *id).eq(ids.iter().copied());
        let has_cookies = functions
            .iter()
            .map(|(_, cookie)| *cookie)
            .eq(cookies.iter().copied());
        Ok(Match::hook(Some(is_same)).and(Some(has_cookies)))
    }

    fn look_up(&self, wanted: &Wanted<'_>) -> Result<()> {
        self.with_cookies(wanted.object).map(drop)
    }

    /// A function does not take one program twice, nor more programs than a few dozens. The
    /// functions may be others in part.
    fn blocks(&self, old: &Old<'_, TracingMultiInfo>) -> Result<Blocks> {
        Ok(if old.same_program {
            Blocks::Always
        } else {
            Blocks::WhenFull
        })
    }
}

impl TracingMultiAttach<'_> {
    fn with_cookies(&self, program: BorrowedFd<'_>) -> Result<Vec<(u32, u64)>> {
        let ids = self.ids(program)?;
        let ids = ids.iter().map(|id| id.get());
        let cookies = self.cookies.as_deref().unwrap_or_default().iter().copied();
        Ok(ids.zip(cookies.chain(std::iter::repeat(0))).collect())
    }
}
