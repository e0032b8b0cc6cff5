//! What is attached to a cgroup, and to those above it.

use std::path::PathBuf;
use std::sync::Arc;

use bpf_link::{Hook, HookPrograms, ProgramId, Target};

use super::attached::{AttachPoint, CgroupOrigin};
use super::inspector::{HookInspector, Seen};
use super::links::LinkPlace;
use super::note::{NoteAbout, Notes};
use super::place::{HookPlace, PlaceHooks};
use crate::attach::cgroup::{ALLOW_MULTI, OpenCgroup, not_a_cgroup};
use crate::attach::file_ref::{FileRef, by_descriptor};
use crate::error::Result;
use crate::kinds::CgroupHook;

/// The own programs of a cgroup or of one above it, on one hook.
struct Level {
    cgroup_id: u64,
    origin: CgroupOrigin,
    own: HookPrograms,
}

impl HookInspector {
    /// What runs for this cgroup: the programs that are attached to it, and those of the cgroups
    /// above it that it inherits ([`CgroupOrigin`] tells them apart).
    ///
    /// The kernel does not report where a program is inherited from, so this queries the cgroups
    /// above. If several of them have the same program, the nearest one's is assumed to run first,
    /// as it does without `BPF_F_PREORDER`.
    ///
    /// # Errors
    ///
    /// - [`Error::File`](crate::Error::File): the path cannot be opened.
    /// - [`Error::NotACgroup`](crate::Error::NotACgroup) (`EBADF`): the file is not the directory
    ///   of a cgroup of version 2.
    ///
    /// Hooks that cannot be queried are in the notes: without `CAP_NET_ADMIN`, all of them.
    ///
    /// # Kernel
    ///
    /// As [`CgroupHook::query`](crate::CgroupHook::query) and
    /// [`query_effective`](crate::CgroupHook::query_effective).
    pub fn cgroup<'a>(&mut self, cgroup: impl Into<FileRef<'a>>) -> Result<PlaceHooks> {
        let cgroup = cgroup.into();
        let Some(own) = OpenCgroup::of(&cgroup)? else {
            return Err(not_a_cgroup(&cgroup));
        };
        let named = |error: bpf_link::Error| error.naming(cgroup.target(Target::Cgroup));
        let mut notes = Notes::default();
        let mut ancestors = None;
        let mut seen = Vec::new();
        for hook in CgroupHook::ALL {
            let attach_type = hook.attach_type();
            let asked = Hook::of_fd(attach_type, &own).effective().query();
            let effective = match asked.map_err(named) {
                Ok(found) => found.programs,
                // A kernel without this hook has no programs there.
                Err(bpf_link::Error::UnsupportedByKernel(_)) => continue,
                Err(error) => {
                    notes.add_hook(attach_type, error.into());
                    continue;
                }
            };
            if effective.is_empty() {
                continue;
            }
            let effective: Vec<_> = effective.iter().map(|program| program.id).collect();
            let ancestors = ancestors.get_or_insert_with(|| above(&own, &mut notes));
            let levels = levels(*hook, &own, ancestors, &mut notes);
            let from = origins(&effective, &levels);
            seen.extend(self.of_hook(*hook, &effective, &levels, &from));
        }
        let place = HookPlace::Cgroup {
            id: own.id,
            path: cgroup.path_in_words(),
        };
        Ok(self.answer(place, seen, notes))
    }

    /// The programs of one hook, with where they are from and their links. Each of `from` is a
    /// level, if it is known.
    fn of_hook(
        &self,
        hook: CgroupHook,
        effective: &[ProgramId],
        levels: &[Level],
        from: &[Option<usize>],
    ) -> Vec<Seen> {
        let attach_type = hook.attach_type();
        let seen = effective.iter().zip(from).map(|(program, from)| {
            let level = from.and_then(|from| levels.get(from));
            let is_on = |on: &LinkPlace| match on {
                LinkPlace::Cgroup {
                    id,
                    attach_type: of_link,
                } if *of_link == attach_type => {
                    // Without a level it may be on any cgroup.
                    level.map(|level| *id == level.cgroup_id)
                }
                _ => Some(false),
            };
            let times = |level: &Level| {
                let own = level.own.programs.iter();
                own.filter(|own| own.id == *program).count()
            };
            let flags = level.map(|level| {
                let mut own = level.own.programs.iter();
                let own = own.find(|own| own.id == *program);
                own.and_then(|own| own.flags).unwrap_or(level.own.flags)
            });
            Seen {
                point: AttachPoint::Cgroup {
                    hook,
                    flags,
                    origin: level.map_or_else(
                        || origin_without_a_level(*program, levels),
                        |level| level.origin.clone(),
                    ),
                },
                program: *program,
                by: self
                    .links()
                    .of_program(*program, level.map_or(1, times), is_on),
            }
        });
        seen.collect()
    }
}

/// The cgroups above this one, from the nearest up, as far as they have a path here.
fn above(own: &OpenCgroup, notes: &mut Notes) -> Vec<OpenCgroup> {
    let mut ancestors = Vec::new();
    loop {
        match ancestors.last().unwrap_or(own).parent() {
            Ok(Some(parent)) => ancestors.push(parent),
            Ok(None) => return ancestors,
            Err(error) => {
                notes.add(NoteAbout::Ancestors, Some(Arc::new(error)));
                return ancestors;
            }
        }
    }
}

/// What this hook has on the cgroup and on each above it.
fn levels(
    hook: CgroupHook,
    own: &OpenCgroup,
    ancestors: &[OpenCgroup],
    notes: &mut Notes,
) -> Vec<Level> {
    let mut levels = Vec::new();
    let above = ancestors.iter().map(|cgroup| (cgroup, false));
    for (cgroup, is_own) in std::iter::once((own, true)).chain(above) {
        match Hook::of_fd(hook.attach_type(), cgroup).query() {
            Ok(own) => levels.push(Level {
                cgroup_id: cgroup.id,
                origin: if is_own {
                    CgroupOrigin::Own
                } else {
                    CgroupOrigin::Ancestor {
                        id: Some(cgroup.id),
                        path: path_of(cgroup),
                    }
                },
                own,
            }),
            Err(error) => {
                let error = match path_of(cgroup) {
                    Some(path) => error.naming(Target::Cgroup(path)),
                    None => error,
                };
                notes.add(NoteAbout::Ancestors, Some(Arc::new(error.into())));
                return levels;
            }
        }
    }
    levels
}

fn path_of(cgroup: &OpenCgroup) -> Option<PathBuf> {
    std::fs::read_link(by_descriptor(cgroup)).ok()
}

/// The level that each program comes from. The kernel puts the cgroup's own programs first, then
/// those of the cgroup above it, and so on. A level that does not share its hook counts only if
/// there is nothing below it. If the list does not fit that, the level of a program is known only
/// if no other level has the program.
fn origins(effective: &[ProgramId], levels: &[Level]) -> Vec<Option<usize>> {
    let mut expected = Vec::new();
    for (place, level) in levels.iter().enumerate() {
        if expected.is_empty() || level.own.flags.contains(ALLOW_MULTI) {
            let programs = level.own.programs.iter();
            expected.extend(programs.map(|program| (program.id, place)));
        }
    }
    if expected.iter().map(|(id, _)| id).eq(effective) {
        return expected.into_iter().map(|(_, place)| Some(place)).collect();
    }
    let only_level = |id: &ProgramId| {
        let has = |level: &Level| level.own.programs.iter().any(|own| own.id == *id);
        let mut places = levels.iter().enumerate().filter(|(_, level)| has(level));
        let first = places.next().map(|(place, _)| place);
        // Twice in the list, it is also attached to a cgroup that has no path here.
        let is_once = effective.iter().filter(|other| *other == id).count() == 1;
        first.filter(|_| is_once && places.next().is_none())
    };
    effective.iter().map(only_level).collect()
}

/// What is known where no level alone has the program.
fn origin_without_a_level(program: ProgramId, levels: &[Level]) -> CgroupOrigin {
    let is_own = |level: &Level| level.own.programs.iter().any(|own| own.id == program);
    match levels.first() {
        Some(own) if !is_own(own) => CgroupOrigin::Ancestor {
            id: None,
            path: None,
        },
        _ => CgroupOrigin::Unknown,
    }
}
