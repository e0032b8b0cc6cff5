//! `hooks`: what is attached to devices, cgroups, network namespaces and maps.

mod json;
mod places;
mod text;
mod words;

use std::io::Write as _;

use anyhow::Result;
use bpf_link_typed::inspect::hooks::{HookInspector, NoteAbout, PlaceHooks};
use bpf_link_typed::inspect::json::Each;
use json::PlaceJson;

use crate::args::Hooks;
use crate::escape;
use crate::failure::{Refused, Status};
use crate::found::Found;
use crate::notes::Notes;
use crate::output;
use crate::search::Search;

/// Returns whether everything could be found out that was asked for.
pub(crate) fn run(args: &Hooks, json: bool) -> Result<Status> {
    let notes = Notes::default();
    let mut search = Search::new(args.with);
    let found = Found::find(&mut search, &notes);
    let mut inspector = HookInspector::load()?;
    let mut refused = Refused::default();
    let is_overview = args.places.is_empty();
    let places = if is_overview {
        places::all(&mut inspector, args.netns.as_deref(), found.names(), &notes)?
    } else {
        places::named(&mut inspector, args, &mut refused)
    };
    if places.is_empty() && refused.status() == Status::InPart {
        return Ok(Status::InPart);
    }
    let mut out = output::open();
    if json {
        let places = Each(|| {
            places.iter().map(|hooks| PlaceJson {
                hooks,
                found: &found,
            })
        });
        escape::write(&mut out, &places)?;
        writeln!(out)?;
    } else {
        let shown = places.iter();
        let shown = shown.filter(|hooks| !(is_overview && hooks.is_empty()));
        text::write(&mut out, &shown.collect::<Vec<_>>(), &found)?;
    }
    output::close(out)?;
    let is_complete = note_all(&places, &notes);
    found.note_names();
    notes.print();
    Ok(match refused.status() {
        Status::Done if !is_complete => Status::InPart,
        status => status,
    })
}

/// Notes what could not be found out, and returns whether all programs are there.
fn note_all(places: &[PlaceHooks], notes: &Notes) -> bool {
    let mut is_complete = true;
    for note in places.iter().flat_map(|hooks| &hooks.notes) {
        let what = match note.about {
            NoteAbout::Hooks(_) | NoteAbout::TcFilters | NoteAbout::NetfilterLinks(_) => {
                is_complete = false;
                "some programs may be missing"
            }
            NoteAbout::Links => "some links are not shown",
            NoteAbout::Programs(_) => "some programs are shown without names",
            _ => "the origin of some inherited programs is not shown",
        };
        notes.add(what, words::why(note));
    }
    is_complete
}
