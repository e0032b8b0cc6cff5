//! `show`: all there is to know about one link.

use std::io::Write as _;

use anyhow::Result;
use bpf_link_typed::InfoBuf;

use crate::args::Show;
use crate::holders::Holders;
use crate::json::{LinkJson, escape};
use crate::notes::Notes;
use crate::output;
use crate::pinned::Pinned;
use crate::resolve::Resolver;
use crate::view::View;
use crate::which;

pub(crate) fn run(args: &Show) -> Result<()> {
    let link = which::open(&args.link)?;
    let notes = Notes::default();
    let pinned = args.with.pinned.then(|| Pinned::find(&notes));
    let holders = args.with.holders.then(|| Holders::find(&notes));
    let resolver = Resolver::new(&notes);

    let mut buf = InfoBuf::new();
    let info = buf.read(&link)?;
    let view = View {
        info,
        resolver: &resolver,
        pinned: pinned.as_ref().map(|pinned| pinned.of(info.id())),
        holders: holders.as_ref().map(|holders| holders.of(info.id())),
    };
    let mut out = output::open();
    if output::is_terminal() && !args.json {
        escape::write_pretty(&mut out, &LinkJson(&view))?;
    } else {
        escape::write(&mut out, &LinkJson(&view))?;
    }
    writeln!(out)?;
    output::close(out)?;
    notes.print();
    Ok(())
}
