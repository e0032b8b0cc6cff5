//! `pin`, `unpin`, `detach` and `update`.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link::Error;
use bpf_link_typed::RawLink;

use crate::args::{Link, Named, Pin, Update};
use crate::notes::Notes;
use crate::output;
use crate::pinned::Pinned;
use crate::show;
use crate::which;

pub(crate) fn pin(args: &Pin, json: bool) -> Result<()> {
    // As one that was opened by its pin knows that pin, and would take it along.
    let link = OwnedFd::from(which::link(&args.link.link)?);
    let mut link = RawLink::try_from(link)?;
    link.pin(&args.path)?;
    answer(&link, json)
}

pub(crate) fn unpin(args: &Link, json: bool) -> Result<()> {
    let mut link = which::link(&args.link)?;
    if let Named::Number(id) = args.link {
        let notes = Notes::default();
        let pinned = Pinned::find(&notes);
        notes.print();
        let pins = pinned.of(id);
        ensure!(
            !pins.is_empty(),
            "link {id} has no pin that this process can see"
        );
        for path in pins {
            RawLink::from_pinned(path)?.unpin()?;
        }
    } else {
        link.unpin()?;
    }
    answer(&link, json)
}

pub(crate) fn detach(args: &Link, json: bool) -> Result<()> {
    let link = which::link(&args.link)?;
    link.detach().map_err(|error| {
        let is_never = matches!(error, Error::UnsupportedByKind { .. });
        let error = anyhow::Error::from(error);
        if is_never {
            error.context(ONLY_UNPINNED)
        } else {
            error
        }
    })?;
    answer(&link, json)
}

/// What there is to do about a link that cannot be detached.
const ONLY_UNPINNED: &str = "end whoever holds the link and unpin it \
    (`bpf-links show --pins --holders` says who and where)";

pub(crate) fn update(args: &Update, json: bool) -> Result<()> {
    let link = which::link(&args.link.link)?;
    let new = which::program(&args.program)?;
    let old = args.expect.as_ref().map(which::program).transpose()?;
    let mut update = bpf_link::Update::program(&new);
    if let Some(old) = &old {
        update = update.expecting(old);
    }
    link.update(update)?;
    answer(&link, json)
}

/// The link as it is now, where JSON was asked for.
fn answer(link: &RawLink, json: bool) -> Result<()> {
    if !json {
        return Ok(());
    }
    let mut out = output::open();
    show::write_json(&mut out, link).context("the change was made")?;
    writeln!(out)?;
    output::close(out)
}
