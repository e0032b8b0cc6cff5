//! Checks an anchor before the kernel sees it.

use crate::args::{Anchor, CreateArgs, LinkCreate, MprogArgs};
use crate::error::{Command, CommandError, Error, InvalidRequest, Result, Target};
use crate::id::{LinkId, ProgramId};
use crate::kind::LinkKind;
use crate::link::RawLink;
use crate::object::{MapInfo, ProgramInfo};
use crate::sys;

/// Opens an anchor given by a link's id, so that the checked link is the one that is used.
pub(crate) fn open(request: &LinkCreate<'_>) -> Result<Option<RawLink>> {
    match request.args {
        CreateArgs::Mprog(MprogArgs {
            anchor: Some(Anchor::LinkId(id)),
            ..
        }) => RawLink::from_id(id)
            .map(Some)
            .map_err(|error| error.about_the_anchor_on(request.hook())),
        _ => Ok(None),
    }
}

/// What errors call an anchor.
pub(crate) fn target(anchor: Anchor<'_>, hook: Target) -> Target {
    let id = |object| sys::object_start(object).map_or(0, |start| start.id);
    let anchor = match anchor {
        Anchor::Link(link) => LinkId::new(id(link)).map(Target::Link),
        Anchor::LinkId(id) => Some(Target::Link(id)),
        Anchor::Program(program) => ProgramId::new(id(program)).map(Target::Program),
        Anchor::ProgramId(id) => Some(Target::Program(id)),
    };
    anchor.unwrap_or(Target::Descriptor).into_anchor_on(hook)
}

/// Refuses a link of another kind as the anchor: the kernel follows a null pointer where the anchor
/// is a `struct_ops` link (`bpf_mprog_link`, seen on Linux 6.12 and 7.3).
pub(crate) fn check(request: &LinkCreate<'_>) -> Result<()> {
    let CreateArgs::Mprog(MprogArgs {
        anchor: Some(Anchor::Link(anchor)),
        ..
    }) = request.args
    else {
        return Ok(());
    };
    let refused = |command| {
        move |source| {
            let anchor = Target::Descriptor.into_anchor_on(request.hook());
            CommandError::new(command, anchor, source).classify()
        }
    };
    // The info of a program or map has another number where a link's info has its kind.
    if !sys::is_link(anchor).map_err(refused(Command::LinkUpdate))? {
        let program = ProgramInfo::of(&anchor).map(|info| Target::Program(info.id));
        let found = program.or_else(|_| MapInfo::of(&anchor).map(|info| Target::Map(info.id)));
        let anchor = found.unwrap_or(Target::Descriptor);
        return Err(Error::NotALink(anchor.into_anchor_on(request.hook())));
    }
    let start = sys::object_start(anchor).map_err(refused(Command::ObjGetInfoByFd))?;
    let found = LinkKind::from_raw(start.kind);
    let fits = match request.attach_type.link_kind() {
        Some(kind) => found == kind,
        None => found != LinkKind::StructOps,
    };
    if fits {
        Ok(())
    } else {
        let anchor = LinkId::new(start.id).map_or(Target::Descriptor, Target::Link);
        Err(InvalidRequest::Anchor {
            anchor: Box::new(anchor),
            hook: Box::new(request.hook()),
            found,
        }
        .into())
    }
}
