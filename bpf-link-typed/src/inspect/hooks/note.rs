//! What could not be found out about hooks.

use std::fmt;
use std::sync::Arc;

use bpf_link::{AttachType, LinkId, ProgramId};

use crate::error::Error;

/// Something that could not be found out, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HookNote {
    /// What.
    pub about: NoteAbout,
    /// Why. If several were refused for the same reason, this is the first refusal. `None` if
    /// the kernel has no way to ask.
    pub error: Option<Arc<Error>>,
}

/// What could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteAbout {
    /// Which programs these hooks have.
    Hooks(Vec<AttachType>),
    /// Which classic filters a device has.
    TcFilters,
    /// By which links programs are attached.
    Links,
    /// Whether these netfilter links are in the network namespace. Only a snapshot tells.
    NetfilterLinks(Vec<LinkId>),
    /// From which cgroups programs are inherited.
    Ancestors,
    /// The names and types of these programs, or only the ends of their names.
    Programs(Vec<ProgramId>),
}

/// Writes what it is about, and why.
impl fmt::Display for HookNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.about)?;
        self.error
            .as_ref()
            .map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

impl fmt::Display for NoteAbout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hooks(hooks) => {
                f.write_str("cannot list the programs of ")?;
                list(f, hooks)
            }
            Self::TcFilters => f.write_str("cannot list the classic filters"),
            Self::Links => f.write_str("cannot tell which links attach the programs"),
            Self::NetfilterLinks(links) => {
                f.write_str("cannot tell the network namespace of netfilter links ")?;
                list(f, links)
            }
            Self::Ancestors => f.write_str("cannot tell where programs are inherited from"),
            Self::Programs(programs) => {
                f.write_str("cannot read the names of programs ")?;
                list(f, programs)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// Collects the notes of one place.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<HookNote>);

impl Notes {
    pub(super) fn add(&mut self, about: NoteAbout, error: Option<Arc<Error>>) {
        let is_same = |note: &HookNote| {
            let errno = |error: Option<&Arc<Error>>| error.map(|error| error.errno());
            note.about == about && errno(note.error.as_ref()) == errno(error.as_ref())
        };
        if !self.0.iter().any(is_same) {
            self.0.push(HookNote { about, error });
        }
    }

    /// A hook that was refused.
    pub(super) fn add_hook(&mut self, hook: AttachType, error: Error) {
        for note in &mut self.0 {
            if let NoteAbout::Hooks(hooks) = &mut note.about {
                if is_like(note.error.as_ref(), &error) {
                    hooks.push(hook);
                    return;
                }
            }
        }
        self.add(NoteAbout::Hooks(vec![hook]), Some(Arc::new(error)));
    }

    /// A program that was refused.
    pub(super) fn add_program(&mut self, program: ProgramId, error: &Arc<Error>) {
        for note in &mut self.0 {
            if let NoteAbout::Programs(programs) = &mut note.about {
                if is_like(note.error.as_ref(), error) {
                    if !programs.contains(&program) {
                        programs.push(program);
                    }
                    return;
                }
            }
        }
        self.add(NoteAbout::Programs(vec![program]), Some(error.clone()));
    }

    pub(super) fn into_vec(self) -> Vec<HookNote> {
        self.0
    }
}

fn is_like(one: Option<&Arc<Error>>, other: &Error) -> bool {
    one.is_some_and(|one| one.errno() == other.errno())
}
