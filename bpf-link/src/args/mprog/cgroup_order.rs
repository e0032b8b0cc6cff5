//! Whether this kernel looks at the position and the revision of a cgroup link.

use std::io;

use crate::args::{CreateArgs, CreateTarget, LinkCreate};
use crate::error::{Error, Result};
use crate::flags::AttachFlags;
use crate::kind::LinkKind;
use crate::sys;

/// Refuses a position or revision of a cgroup link where the kernel would not look at it.
///
/// Such a kernel refuses the flag `BEFORE` as well, and does so before it looks up the cgroup. So two requests that
/// can attach nothing, as their cgroup does not exist, tell: with the flag and without.
pub(crate) fn check(request: &LinkCreate<'_>) -> Result<()> {
    let CreateArgs::Mprog(args) = &request.args else {
        return Ok(());
    };
    let asks = args.anchor.is_some() || args.expected_revision != 0;
    if !asks || request.attach_type.link_kind() != Some(LinkKind::Cgroup) {
        return Ok(());
    }
    let probe = LinkCreate {
        target: CreateTarget::NoDescriptor,
        args: CreateArgs::None,
        ..*request
    };
    let answer = |flags: AttachFlags| match sys::link_create(&probe.flags(flags)) {
        Err(answer) => match answer.raw_os_error() {
            Some(errno @ (libc::EINVAL | libc::EBADF)) => Ok(errno),
            // It does not tell, and without telling a position may be lost.
            _ => Err(request.error(answer).classify()),
        },
        Ok(_) => Ok(0),
    };
    if answer(AttachFlags::BEFORE)? == libc::EINVAL && answer(AttachFlags::empty())? == libc::EBADF
    {
        let source = io::Error::from_raw_os_error(libc::EINVAL);
        return Err(Error::UnsupportedByKernel(request.error(source)));
    }
    Ok(())
}
