//! Whether a link is on these places of this file, with these cookies.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use bpf_link::UprobeMultiFlags;

use super::{UprobeMultiAttach, UprobeMultiInfo, UprobeMultiLink};
use crate::attach::When;
use crate::attach::file_ref::FileRef;
use crate::ensure::{Match, Recipe, Wanted};
use crate::error::Result;

impl Recipe for UprobeMultiAttach<'_> {
    type Link = UprobeMultiLink;

    fn create(&self, program: BorrowedFd<'_>) -> Result<UprobeMultiLink> {
        self.attach(&program)
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
        let is_file = self
            .path()
            .zip(info.path.as_deref())
            .map(|(path, found)| path == found.to_bytes());
        let is_same = if self.offsets == offsets.as_slice() {
            is_file
        } else {
            Some(false)
        };
        let on_return = info
            .flags
            .map(|flags| flags.contains(UprobeMultiFlags::RETURN) == (self.when == When::Return));
        let zeros = vec![0; offsets.len()];
        let is_given = |wanted: Option<&[u64]>, found: Option<&[u64]>| {
            found.map(|found| wanted.unwrap_or(&zeros) == found)
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
                self.ref_ctr_offsets,
                info.ref_ctr_offsets.as_deref(),
            ))
            .and(is_given(self.cookies, info.cookies.as_deref()))
            .and(is_of_process))
    }
}

/// Whether the kernel says nothing about the link because the path of its file is longer than it
/// writes: so it is another file, as the one that is wanted has a path that can be given. No kernel
/// with such links has so short an info else.
fn has_too_long_a_path(link: &UprobeMultiLink) -> Result<bool> {
    const SHORTEST: u32 = 32;
    Ok(link.as_raw().info()?.kernel_len() <= SHORTEST)
}

impl UprobeMultiAttach<'_> {
    /// The file as the kernel writes it.
    fn path(&self) -> Option<Vec<u8>> {
        let path = match self.file {
            FileRef::Path(path) => std::fs::canonicalize(path),
            FileRef::Fd(fd) => std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())),
        };
        Some(path.ok()?.as_os_str().as_bytes().to_owned())
    }
}
