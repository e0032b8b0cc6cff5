//! Whether this kernel has an order of the programs of a cgroup's links.

use std::io;

use crate::args::{CreateArgs, CreateTarget, LinkCreate};
use crate::error::{Error, Result};
use crate::flags::AttachFlags;
use crate::kind::LinkKind;
use crate::sys;

/// Refuses a position or revision of a cgroup link where the kernel would not look at it, and says
/// of `PREORDER` that it is this kernel which does not have it.
///
/// Links take that flag since they have positions, in Linux 6.17, although the kernel has it since
/// 6.15: until then they take no flags at all. Such a kernel refuses the flag `BEFORE` as well, and
/// does so before it looks up the cgroup. So two requests that can attach nothing, as their cgroup
/// does not exist, tell: with the flag and without.
pub(crate) fn check(request: &LinkCreate<'_>) -> Result<()> {
    let asks = match &request.args {
        CreateArgs::Mprog(args) => args.anchor.is_some() || args.expected_revision != 0,
        _ => false,
    };
    let asks = asks || request.flags & AttachFlags::PREORDER.bits() != 0;
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
