//! Whether this kernel has an order of the programs of a cgroup's links.

use std::io;

use crate::args::{CreateArgs, CreateTarget, LinkCreate};
use crate::error::{Error, Result};
use crate::flags::AttachFlags;
use crate::kind::LinkKind;
use crate::sys;

/// Refuses a position or a revision of a cgroup link on kernels that would ignore it, and reports
/// `PREORDER` as unsupported there.
///
/// Links take that flag since Linux 6.17, when they got positions; 6.15 and 6.16 have the flag, but
/// take no flags on links. Such a kernel also refuses `BEFORE`, and does so before it looks up the
/// cgroup. So two requests for a cgroup that does not exist tell the kernels apart, one with the
/// flag and one without; neither can attach anything.
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
            // The answer does not tell, so a position might be ignored.
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
