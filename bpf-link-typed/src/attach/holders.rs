//! Who has a hook: asked of the kernel once it has refused another program.

use std::ffi::CString;

use bpf_link::{Hook, LinkId, LinkKind, ProgramId, ProgramInfo, RawLink, StructOpsMap};

use crate::error::{Error, HolderLink, HookHolder};

/// What a query of the hook lists: the programs with their links.
pub(crate) fn listed(hook: &Hook<'_>) -> Option<Vec<HookHolder>> {
    let found = hook.query().ok()?;
    let holders = found.programs.iter().map(|program| {
        let link = program.link;
        of_program(
            program.id,
            link.map_or(HolderLink::WithoutLink, HolderLink::Link),
        )
    });
    Some(holders.collect())
}

/// The same where the query lists no links. For a link of that kind that is on the hook,
/// `program_here` returns the program.
pub(crate) fn queried(
    hook: &Hook<'_>,
    kind: LinkKind,
    program_here: impl Fn(RawLink) -> Option<ProgramId>,
) -> Option<Vec<HookHolder>> {
    let found = hook.query().ok()?;
    let programs: Vec<ProgramId> = found.programs.iter().map(|program| program.id).collect();
    Some(with_links(&programs, kind, program_here))
}

/// These programs, with their links.
pub(crate) fn with_links(
    programs: &[ProgramId],
    kind: LinkKind,
    program_here: impl FnMut(RawLink) -> Option<ProgramId>,
) -> Vec<HookHolder> {
    let mut links = links_here(kind, program_here);
    let holders = programs.iter().map(|program| {
        let link = match &mut links {
            None => HolderLink::Unknown,
            Some(links) => match links.iter().position(|(_, of)| of == program) {
                // A program may be on a hook twice, by a link each.
                Some(at) => HolderLink::Link(links.swap_remove(at).0),
                None => HolderLink::WithoutLink,
            },
        };
        of_program(*program, link)
    });
    holders.collect()
}

/// All links of that kind for which `program_here` returns a program.
pub(crate) fn by_links(
    kind: LinkKind,
    program_here: impl Fn(RawLink) -> Option<ProgramId>,
) -> Option<Vec<HookHolder>> {
    let holders = links_here(kind, program_here)?.into_iter();
    let holders = holders.map(|(link, program)| of_program(program, HolderLink::Link(link)));
    Some(holders.collect())
}

/// The same, where it is not certain that they have the hook.
pub(crate) fn perhaps(mut holders: Vec<HookHolder>) -> Vec<HookHolder> {
    for holder in &mut holders {
        holder.is_certain = false;
    }
    holders
}

/// This program, with its name.
pub(crate) fn of_program(program: ProgramId, link: HolderLink) -> HookHolder {
    let info = ProgramInfo::from_id(program);
    HookHolder {
        program: Some(program),
        map: None,
        name: info.map_or_else(|_| CString::default(), |info| info.name),
        link,
        is_certain: true,
    }
}

/// The `struct_ops` maps among these that are in use, with their links.
pub(crate) fn of_maps(maps: impl Iterator<Item = StructOpsMap>) -> Option<Vec<HookHolder>> {
    let links = links_here(LinkKind::StructOps, |link| {
        link.info().ok()?.struct_ops_map()
    })?;
    let link_of = |map| links.iter().find(|(_, of)| *of == map).map(|(id, _)| *id);
    let holders = maps.filter_map(|found| {
        let link = match link_of(found.map.id) {
            Some(link) => HolderLink::Link(link),
            None if found.is_used_without_link == Some(true) => HolderLink::WithoutLink,
            None => return None,
        };
        Some(HookHolder {
            program: None,
            map: Some(found.map.id),
            name: found.map.name,
            link,
            is_certain: true,
        })
    });
    Some(holders.collect())
}

/// The error that the hook is taken, where the kernel does not tell by whom, or is not asked yet.
pub(crate) fn unknown(source: bpf_link::Error) -> Error {
    Error::HookTaken {
        holders: Vec::new(),
        source,
    }
}

impl Error {
    /// Adds who has the hook, if that it is taken is the error, and if that can be found.
    pub(crate) fn with_holders(self, find: impl FnOnce() -> Option<Vec<HookHolder>>) -> Self {
        match self {
            Self::HookTaken { source, .. } => Self::HookTaken {
                holders: find().unwrap_or_default(),
                source,
            },
            Self::PriorityTaken {
                priority, source, ..
            } => Self::PriorityTaken {
                priority,
                holders: find().unwrap_or_default().into(),
                source,
            },
            other => other,
        }
    }
}

/// The links on the hook, with their programs or maps; `None` if the caller may not look at all
/// links.
pub(crate) fn links_here<T>(
    kind: LinkKind,
    mut found_here: impl FnMut(RawLink) -> Option<T>,
) -> Option<Vec<(LinkId, T)>> {
    let mut here = Vec::new();
    for link in bpf_link::links() {
        let link = link.ok()?;
        if link.kind().ok() != Some(kind) {
            continue;
        }
        let Ok(id) = link.id() else { continue };
        here.extend(found_here(link).map(|found| (id, found)));
    }
    Some(here)
}
