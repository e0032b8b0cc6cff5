//! Looks at hooks.

use bpf_link::{HookProgram, ProgramId, Snapshotter};

use super::attached::{AttachPoint, AttachedBy, AttachedProgram};
use super::links::{LinkPlace, Links};
use super::note::{NoteAbout, Notes};
use super::place::{HookPlace, PlaceHooks};
use super::programs::Programs;
use crate::error::Result;

/// Finds out what is attached to a device, a cgroup, a network namespace or a map: every program,
/// in the order in which it runs, with a link or without one.
///
/// The kernel is asked what each hook has. For most hooks it does not say by which links; that
/// comes from one look at all links, which [`load`](Self::load) and [`refresh`](Self::refresh)
/// take. A link that was attached since then is not known: its program is shown as attached
/// without a link.
///
/// If something cannot be found out, for example because a privilege is missing, the answer has
/// everything else, and a note that says what is missing and why ([`PlaceHooks::notes`]).
///
/// ```no_run
/// use bpf_link_typed::inspect::hooks::HookInspector;
///
/// # fn example() -> bpf_link_typed::Result<()> {
/// let mut inspector = HookInspector::load()?;
/// let on_eth0 = inspector.device("eth0")?;
/// for program in &on_eth0.programs {
///     println!("{}: {:?}, {:?}", program.point, program.name, program.by);
/// }
/// for note in &on_eth0.notes {
///     eprintln!("{note}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HookInspector {
    snapshotter: Snapshotter,
    room: Vec<u8>,
    links: Links,
    programs: Programs,
}

/// A program that a hook has, before names and links are looked up.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) point: AttachPoint,
    pub(super) program: ProgramId,
    pub(super) by: AttachedBy,
}

impl HookInspector {
    /// Looks at all links: by a snapshot where this kernel and this process can make one, otherwise
    /// by a walk.
    ///
    /// # Errors
    ///
    /// As [`Snapshotter::load`]. That links cannot be looked at is a note in each answer.
    pub fn load() -> Result<Self> {
        Ok(Self::with(Snapshotter::load()?))
    }

    /// The same with this snapshotter.
    #[must_use]
    pub fn with(snapshotter: Snapshotter) -> Self {
        let mut inspector = Self {
            room: vec![0; Snapshotter::BUFFER],
            snapshotter,
            links: Links::default(),
            programs: Programs::default(),
        };
        inspector.refresh();
        inspector
    }

    /// Looks at all links again, and forgets the names of programs.
    pub fn refresh(&mut self) {
        self.links = Links::look(&self.snapshotter, &mut self.room);
        self.programs = Programs::default();
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// The programs of a hook, with the links that are attached there.
    pub(super) fn seen_on(
        &self,
        programs: &[HookProgram],
        point: &AttachPoint,
        on: LinkPlace,
    ) -> Vec<Seen> {
        let programs: Vec<_> = programs.iter().map(|program| program.id).collect();
        let by = self.links.of_programs(&programs, |link| Some(*link == on));
        let seen = programs.into_iter().zip(by);
        seen.map(|(program, by)| Seen {
            point: point.clone(),
            program,
            by,
        })
        .collect()
    }

    /// Puts an answer together.
    pub(super) fn answer(
        &mut self,
        place: HookPlace,
        seen: Vec<Seen>,
        mut notes: Notes,
    ) -> PlaceHooks {
        let has_unknown = seen
            .iter()
            .any(|seen| matches!(seen.by, AttachedBy::Unknown(_)));
        if let Some(error) = self.links.incomplete.as_ref().filter(|_| has_unknown) {
            notes.add(NoteAbout::Links, Some(error.clone()));
        }
        let programs = seen.into_iter().map(|seen| {
            let known = self.programs.get(seen.program, &mut notes);
            AttachedProgram {
                point: seen.point,
                program_id: seen.program,
                name: known.name,
                info: known.info,
                by: seen.by,
            }
        });
        PlaceHooks {
            place,
            programs: programs.collect(),
            notes: notes.into_vec(),
        }
    }
}
