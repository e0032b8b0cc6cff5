//! The hooks of places as a table: a title for each place, and a line for each program. Details are
//! on lines of their own below it.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use bpf_link::LinkId;
use bpf_link_typed::inspect::hooks::{
    AttachPoint, AttachedBy, AttachedProgram, CgroupOrigin, HookPlace, PlaceHooks,
};
use unicode_width::UnicodeWidthStr as _;

use super::words;
use crate::found::Found;
use crate::output::{self, Output, printable, shortened};
use crate::table::{GAP, INDENT};
use crate::text;

const NOTHING: &str = "(nothing attached)";

/// A program.
struct Row {
    hook: String,
    program: String,
    link: String,
    below: Vec<String>,
}

pub(super) fn write(out: &mut Output, places: &[&PlaceHooks], found: &Found<'_>) -> Result<()> {
    let (title, hook_style, dimmed) = if output::has_colours() {
        let cyan = AnsiColor::Cyan.on_default();
        (Style::new().bold(), cyan, Style::new().dimmed())
    } else {
        Default::default()
    };
    let width = output::room();
    let rows = places
        .iter()
        .map(|hooks| hooks.programs.iter().map(|program| Row::of(program, found)));
    let rows: Vec<Vec<Row>> = rows.map(Iterator::collect).collect();
    let widest = |cell: fn(&Row) -> &str| {
        let cells = rows.iter().flatten().map(|row| cell(row).width());
        cells.max().unwrap_or_default()
    };
    let (of_hook, of_link) = (widest(|row| &row.hook), widest(|row| &row.link));
    // The name of a program can be long.
    let used = of_hook + of_link + 3 * GAP.len();
    let of_program = widest(|row| &row.program);
    let of_program = width.map_or(of_program, |width| {
        of_program.min(width.saturating_sub(used))
    });
    if places.is_empty() {
        writeln!(out, "{NOTHING}")?;
    }
    for (hooks, rows) in places.iter().zip(rows) {
        let called = printable(&place(&hooks.place));
        writeln!(out, "{title}{}{title:#}", shortened(&called, width))?;
        if rows.is_empty() {
            writeln!(out, "{GAP}{NOTHING}")?;
        }
        for row in rows {
            let program = shortened(&row.program, width.and(Some(of_program)));
            let hook_gap = of_hook - row.hook.width();
            let program_gap = of_program.saturating_sub(program.width());
            write!(out, "{GAP}{hook_style}{}{hook_style:#}", row.hook)?;
            write!(out, "{:hook_gap$}{GAP}{program}", "")?;
            writeln!(out, "{:program_gap$}{GAP}{}", "", row.link)?;
            for line in &row.below {
                let room = width.map(|width| width - INDENT.len());
                writeln!(out, "{INDENT}{dimmed}{}{dimmed:#}", shortened(line, room))?;
            }
        }
    }
    Ok(())
}

fn place(place: &HookPlace) -> String {
    match place {
        HookPlace::Device { index, name } => format!("{} ({index})", text::lossy(name)),
        HookPlace::Cgroup { path, .. } => path.to_string_lossy().into_owned(),
        HookPlace::Netns { inode } => format!("network namespace {inode}"),
        HookPlace::Map { id, name } => {
            format!("map {}", text::with_name(id.get(), Some(text::lossy(name))))
        }
        _ => text::UNKNOWN.to_owned(),
    }
}

impl Row {
    fn of(program: &AttachedProgram, found: &Found<'_>) -> Self {
        let called = program.name.as_deref().map(text::lossy);
        let (link, mut below) = match &program.by {
            AttachedBy::Link(link) => (
                format!("link {link}"),
                text::below(found.pins(*link), found.holders(*link)),
            ),
            AttachedBy::NoLink => ("no link".to_owned(), Vec::new()),
            AttachedBy::Unknown(links) => ("link unknown".to_owned(), possible(links)),
            _ => (text::UNKNOWN.to_owned(), Vec::new()),
        };
        below.splice(0..0, details(&program.point));
        Self {
            hook: hook(&program.point),
            program: printable(&text::with_name(program.program_id.get(), called)),
            link,
            below: below.iter().map(|line| printable(line)).collect(),
        }
    }
}

fn possible(links: &[LinkId]) -> Vec<String> {
    let links: Vec<_> = links.iter().map(ToString::to_string).collect();
    match links.as_slice() {
        [] => Vec::new(),
        [link] => vec![format!("by link {link}, or without a link")],
        links => vec![format!(
            "by one of the links {}, or without a link",
            links.join(", ")
        )],
    }
}

fn hook(point: &AttachPoint) -> String {
    match point {
        AttachPoint::Xdp(mode) => format!("xdp {}", words::xdp_mode(*mode)),
        AttachPoint::TcFilter(filter) => match words::class(filter.parent) {
            Some(class) => format!("{point} {class}"),
            None => point.to_string(),
        },
        AttachPoint::Netfilter { family, hook, .. } => {
            let number = |number: u32| move || number.to_string();
            let called = hook.name_in(*family);
            let called = called.map_or_else(number(hook.as_raw()), str::to_owned);
            let of = family.name();
            let of = of.map_or_else(number(family.as_raw()), str::to_owned);
            format!("{point} {of} {called}")
        }
        point => point.to_string(),
    }
}

/// What is below the line of a program.
fn details(point: &AttachPoint) -> Option<String> {
    match point {
        AttachPoint::TcFilter(filter) => {
            let mut words = vec![
                format!("priority {}", filter.priority),
                format!("handle {:#x}", filter.handle),
            ];
            if filter.chain != 0 {
                words.insert(0, format!("chain {}", filter.chain));
            }
            if filter.is_direct_action {
                words.push("direct action".to_owned());
            }
            if let Some(class) = filter.class_id {
                words.push(format!("class {}", words::handle_text(class)));
            }
            if let Some(name) = &filter.name {
                words.push(format!("named {}", text::lossy(name)));
            }
            Some(words.join(", "))
        }
        AttachPoint::Netfilter { priority, .. } => Some(format!("priority {priority}")),
        AttachPoint::Cgroup { origin, .. } => match origin {
            CgroupOrigin::Own => None,
            CgroupOrigin::Ancestor {
                path: Some(path), ..
            } => Some(format!("inherited from {}", path.to_string_lossy())),
            CgroupOrigin::Ancestor { id: Some(id), .. } => {
                Some(format!("inherited from cgroup {id}"))
            }
            CgroupOrigin::Ancestor { .. } => Some("inherited".to_owned()),
            _ => Some("its own, or inherited".to_owned()),
        },
        _ => None,
    }
}
