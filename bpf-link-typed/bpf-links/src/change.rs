//! `pin`, `unpin`, `detach` and `update`.

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link::{Error, LinkId};
use bpf_link_typed::RawLink;

use crate::args::{Link, Named, Pin, Update, With};
use crate::failure::{Refused, Status};
use crate::notes::Notes;
use crate::search::Search;
use crate::show;
use crate::which;

pub(crate) fn pin(args: &Pin, json: bool) -> Result<Status> {
    // A link that was opened through its pin remembers that, and `pin` would move the pin.
    let link = OwnedFd::from(which::link(&args.link.link)?);
    let mut link = RawLink::try_from(link)?;
    link.pin(&args.path)?;
    answer(&link, json)
}

pub(crate) fn unpin(args: &Link, json: bool) -> Result<Status> {
    let mut link = which::link(&args.link)?;
    let Named::Number(id) = args.link else {
        link.unpin()?;
        return answer(&link, json);
    };
    let notes = Notes::default();
    let with = With {
        pins: true,
        ..With::default()
    };
    let mut search = Search::new(with);
    search.refresh(&notes);
    notes.print();
    let pins = search.pins.as_ref().map_or(&[][..], |pins| pins.of(id));
    ensure!(
        !pins.is_empty(),
        "link {id} is not pinned where this process can see it"
    );
    let mut refused = Refused::default();
    for path in pins {
        match unpin_at(path, id) {
            // It has gone: a bpffs may be mounted twice, and others remove pins as well.
            Ok(()) | Err(Error::PathNotFound(_)) => {}
            Err(error) => refused.add(&error.into()),
        }
    }
    answer(&link, json)?;
    Ok(refused.status())
}

/// Removes this pin, if it still is that of the link.
fn unpin_at(path: &Path, id: LinkId) -> bpf_link::Result<()> {
    let mut link = RawLink::from_pinned(path)?;
    if link.id()? == id {
        link.unpin()?;
    }
    Ok(())
}

pub(crate) fn detach(args: &Link, json: bool) -> Result<Status> {
    let link = which::link(&args.link)?;
    match link.detach() {
        Err(Error::UnsupportedByKind { kind, .. }) => {
            let id = link.id()?;
            bail!(
                "{kind} links cannot be detached; to remove link {id}, unpin it and stop its \
                holders: `bpf-links show {id} --pins --holders`"
            )
        }
        detached => detached?,
    }
    answer(&link, json)
}

pub(crate) fn update(args: &Update, json: bool) -> Result<Status> {
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

/// Prints the link as it is now, if JSON was asked for.
fn answer(link: &RawLink, json: bool) -> Result<Status> {
    if json {
        show::write(link, With::default(), json).context("the change was made")?;
    }
    Ok(Status::Done)
}
