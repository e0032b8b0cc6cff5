//! `pin`, `unpin`, `detach` and `update`.

use anyhow::Result;
use bpf_link::open_pinned_program;
use bpf_link_typed::RawLink;

use crate::args::{Detach, Pin, Unpin, Update};
use crate::which;

pub(crate) fn pin(args: &Pin) -> Result<()> {
    Ok(RawLink::from_id(args.id)?.pin(&args.path)?)
}

pub(crate) fn unpin(args: &Unpin) -> Result<()> {
    Ok(RawLink::from_pinned(&args.path)?.unpin()?)
}

pub(crate) fn detach(args: &Detach) -> Result<()> {
    Ok(which::open(&args.link)?.detach()?)
}

pub(crate) fn update(args: &Update) -> Result<()> {
    let link = which::open(&args.link)?;
    let new = open_pinned_program(&args.prog_pin)?;
    let old = args.old_prog_pin.as_ref().map(open_pinned_program);
    let old = old.transpose()?;
    let mut update = bpf_link::Update::program(&new);
    if let Some(old) = &old {
        update = update.expecting(old);
    }
    Ok(link.update(update)?)
}
