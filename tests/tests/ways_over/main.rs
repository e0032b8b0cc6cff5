//! The pages that lead over from other libraries, `bpf-link-typed/docs/from-*.md` and
//! `sections.md`.
//!
//! - Each function of the other library that is in its list, in `api/`, is on its page; and each
//!   that is on the page is in the list.
//! - What a page says is written here is compiled: a module of `written` has it, word for word.
//! - A section name leads to the hook that libbpf loads its programs for.
#![forbid(unsafe_code)]

mod page;
#[expect(dead_code, reason = "it is compiled, and does not run")]
mod written;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use bpf_link_typed::{
    AttachType, CgroupHook, NetkitHook, NetnsHook, SockmapHook, TcxHook, TracingHook,
};

use page::{Page, called, code, unformatted};

macro_rules! page {
    ($name:literal, $names:literal) => {
        Page {
            name: $name,
            text: include_str!(concat!("../../../bpf-link-typed/docs/", $name, ".md")),
            names: include_str!(concat!("api/", $names, ".txt")),
        }
    };
}

const PAGES: [Page; 5] = [
    page!("from-aya", "aya"),
    page!("from-cilium-ebpf", "cilium-ebpf"),
    page!("from-libbpf", "libbpf"),
    page!("from-libbpf-rs", "libbpf-rs"),
    SECTIONS,
];

const SECTIONS: Page = page!("sections", "sections");

#[test]
fn pages_have_every_function_of_the_other_library() -> Result<()> {
    for page in &PAGES {
        let rows = page.rows()?;
        let cells = rows
            .ways
            .iter()
            .chain(&rows.left_out)
            .map(|[theirs, _]| theirs);
        let on_page: BTreeSet<&str> = cells.flat_map(|cell| code(cell).map(called)).collect();
        let listed: BTreeSet<&str> = page.names().map(|(name, _)| name).collect();
        let missing: Vec<_> = listed.difference(&on_page).collect();
        ensure!(missing.is_empty(), "{}.md lacks {missing:?}", page.name);
        let unknown: Vec<_> = on_page.difference(&listed).collect();
        ensure!(
            unknown.is_empty(),
            "{}.md has {unknown:?}, which its list has not",
            page.name
        );
    }
    Ok(())
}

#[test]
fn what_is_written_here_compiles() -> Result<()> {
    let compiled = unformatted(&written::SOURCES.concat());
    for page in &PAGES {
        for [theirs, ours] in page.rows()?.ways {
            let is_ours = |code: &&str| code.contains('(') || code.contains("::");
            for written in code(ours).filter(is_ours) {
                ensure!(
                    compiled.contains(&unformatted(written)),
                    "{}.md, {theirs}: `{written}` is not compiled",
                    page.name
                );
            }
        }
    }
    Ok(())
}

#[test]
fn every_row_says_what_is_written_here_or_why_not() -> Result<()> {
    for page in &PAGES {
        let rows = page.rows()?;
        ensure!(
            !rows.ways.is_empty() && !rows.left_out.is_empty(),
            "{}.md has too few",
            page.name
        );
        for [theirs, ours] in rows.ways.iter().chain(&rows.left_out) {
            ensure!(
                code(theirs).next().is_some(),
                "{}.md: {theirs} names nothing",
                page.name
            );
            ensure!(
                !ours.trim().is_empty(),
                "{}.md: {theirs} has an empty cell",
                page.name
            );
        }
    }
    Ok(())
}

/// How a row names the hook of this attach type, if it is one that a builder takes.
fn hook(attach_type: AttachType) -> Option<String> {
    let hooks = [
        format!(
            "CgroupHook::{:?}",
            CgroupHook::from_attach_type(attach_type)
        ),
        format!(
            "NetkitHook::{:?}",
            NetkitHook::from_attach_type(attach_type)
        ),
        format!("NetnsHook::{:?}", NetnsHook::from_attach_type(attach_type)),
        format!(
            "SockmapHook::{:?}",
            SockmapHook::from_attach_type(attach_type)
        ),
        format!("TcxHook::{:?}", TcxHook::from_attach_type(attach_type)),
        format!(
            "TracingHook::{:?}",
            TracingHook::from_attach_type(attach_type)
        ),
    ];
    hooks.into_iter().find(|hook| !hook.contains("Other("))
}

/// The hook of a section's row is the one of the attach type that libbpf loads its programs for.
#[test]
fn sections_lead_to_the_hook_of_their_attach_type() -> Result<()> {
    let rows = SECTIONS.rows()?;
    let mut compared = 0;
    for (section, attach_type) in SECTIONS.names() {
        let Some(attach_type) = attach_type else {
            continue;
        };
        let attach_type = attach_type.trim_start_matches("BPF_").to_ascii_lowercase();
        let Some(hook) = hook(attach_type.parse()?) else {
            continue;
        };
        let mut of_section = rows.ways.iter();
        let row = of_section.find(|[theirs, _]| code(theirs).any(|name| name == section));
        let ours = row.map_or("", |[_, ours]| ours);
        ensure!(
            ours.contains(&format!("{hook})")),
            "{section} is for {hook}, and its row has {ours}"
        );
        compared += 1;
    }
    ensure!(compared > 50, "only {compared} sections were compared");
    Ok(())
}
