//! Whether a link is on these places of this file, with these cookies.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;

use bpf_link::UprobeMultiFlags;

use super::{UprobeMultiAttach, UprobeMultiInfo, UprobeMultiLink};
use crate::attach::When;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for UprobeMultiAttach<'_> {
    type Link = UprobeMultiLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<UprobeMultiLink> {
        self.attach(program)
    }

    fn compare(
        &self,
        link: &UprobeMultiLink,
        info: &UprobeMultiInfo,
        _wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let Some(offsets) = &info.offsets else {
            return Ok(if has_too_long_a_path(link)? {
                Match::OtherHook
            } else {
                Match::Unclear
            });
        };
        let is_same = if *self.offsets == **offsets {
            let path = info.path.as_deref();
            path.and_then(|path| self.file.is_file_of_kernel(path))
        } else {
            Some(false)
        };
        let on_return = info
            .flags
            .map(|flags| flags.contains(UprobeMultiFlags::RETURN) == (self.when == When::Return));
        let zeros = vec![0; offsets.len()];
        let is_given = |wanted: &Option<Cow<'_, [u64]>>, found: Option<&[u64]>| {
            found.map(|found| wanted.as_deref().unwrap_or(&zeros) == found)
        };
        let is_of_process = match (self.pid, info.pid) {
            (Some(pid), Some(found)) => Some(pid == found),
            // Of every process, or of one that has exited.
            (None, Some(0)) | (_, None) => None,
            (None, Some(_)) => Some(false),
        };
        Ok(Match::hook(is_same)
            .and(on_return)
            .and(is_given(
                &self.ref_ctr_offsets,
                info.ref_ctr_offsets.as_deref(),
            ))
            .and(is_given(&self.cookies, info.cookies.as_deref()))
            .and(is_of_process))
    }

    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        self.file.check_exists()
    }
}

/// Whether the kernel says nothing about the link because the path of its file is longer than it
/// writes: so it is another file, as the one that is wanted has a path that can be given. No kernel
/// with such links has so short an info else.
fn has_too_long_a_path(link: &UprobeMultiLink) -> Result<bool> {
    const SHORTEST: u32 = 32;
    Ok(link.as_raw().info()?.kernel_len() <= SHORTEST)
}
