//! Where this kernel has what a snapshot tells, found in its types by name.

use std::ffi::CString;
use std::io;

use super::field::{Field, Fields, KINDS, KindFields, REFERENCES, Ways};
use crate::btf::index::Index;
use crate::btf::types::{FUNC, Malformed, STRUCT, Type, Types};
use crate::error::{Command, CommandError, Error, Result, Target};
use crate::kind::LinkKind;
use crate::sys;

/// The function that an iterator over links is attached to.
const TARGET: &str = "bpf_iter_bpf_link";
const CAST: &str = "bpf_rdonly_cast";

/// Where this kernel has what a snapshot tells.
#[derive(Debug)]
pub(super) struct Plan {
    /// The function that an iterator over links is attached to.
    pub(super) target: u32,
    /// The function that gives a pointer a type; `None` before Linux 6.2.
    pub(super) cast: Option<u32>,
    pub(super) id: Way,
    pub(super) kind: Way,
    pub(super) program_id: Way,
    pub(super) references: Option<Way>,
    pub(super) kinds: Vec<KindPlan>,
}

/// Where it has what is particular to a kind.
#[derive(Debug)]
pub(super) struct KindPlan {
    pub(super) kind: LinkKind,
    /// The structure of such links, and how far inside the `struct bpf_link` is.
    pub(super) structure: u32,
    pub(super) link: i16,
    pub(super) fields: Vec<(Field, Way)>,
}

/// The way to a number: over pointers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) pointers: Vec<Pointer>,
    pub(super) offset: i16,
    /// How many bytes the number has: 1, 2, 4 or 8.
    pub(super) size: u32,
}

/// A pointer on the way to a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) offset: i16,
    /// What it points to, where its type does not say.
    pub(super) cast: Option<u32>,
}

impl Plan {
    /// Reads the kernel's types.
    pub(super) fn read() -> Result<Self> {
        let path = || Target::path(sys::KernelTypes::PATH.as_ref());
        let types = match sys::KernelTypes::read() {
            Ok(types) => types,
            Err(source) => return Err(refused(path(), source)),
        };
        Self::find(&types).map_err(|missing| match missing {
            Missing::Types(error) => refused(path(), io::Error::other(error)),
            Missing::Link => refused(path(), io::Error::other("no struct bpf_link in them")),
            Missing::Target => without(TARGET),
        })
    }

    /// The error of a kernel in which pointers cannot be given a type.
    pub(super) fn without_cast() -> Error {
        without(CAST)
    }

    /// Finds all of it in these types.
    fn find(bytes: &[u8]) -> Result<Self, Missing> {
        let mut named = Named::default();
        let index = Index::new(Types::new(bytes)?, |found| named.see(found))?;
        let look = Look {
            index: &index,
            named: &named,
        };
        let target = named.target.ok_or(Missing::Target)?;
        let link = named.structure("bpf_link").ok_or(Missing::Link)?;
        let way = |path| look.way(&link, path, 4).ok_or(Missing::Link);
        Ok(Self {
            target,
            cast: named.cast,
            id: way("id")?,
            kind: way("type")?,
            program_id: way("prog->aux->id")?,
            references: look.first(&link, &REFERENCES),
            kinds: KINDS.iter().filter_map(|kind| look.kind(kind)).collect(),
        })
    }

    /// What is known of the links of a kind whose fields are read.
    pub(super) fn fields(&self, kind: LinkKind) -> Fields {
        let plan = self.kinds.iter().find(|plan| plan.kind == kind);
        let fields = plan.into_iter().flat_map(|plan| &plan.fields);
        fields.fold(self.common(), |fields, (field, _)| fields.with(*field))
    }

    /// What is known of all links.
    pub(super) fn common(&self) -> Fields {
        match self.references {
            Some(_) => Fields::default().with(Field::References),
            None => Fields::default(),
        }
    }
}

fn refused(target: Target, source: io::Error) -> Error {
    let error = CommandError::new(Command::ReadKernelTypes, target, source);
    match error.errno() {
        // They are not there, or not as this release knows them.
        None | Some(libc::ENOENT) => Error::UnsupportedByKernel(error),
        _ => error.classify(),
    }
}

/// The kernel does not have this function.
fn without(function: &str) -> Error {
    let target = Target::Function {
        name: CString::new(function).unwrap_or_default(),
        offset: 0,
    };
    refused(target, io::Error::from_raw_os_error(libc::ENOENT))
}

/// What the types do not have.
#[derive(Debug)]
enum Missing {
    Types(Malformed),
    Target,
    Link,
}

impl From<Malformed> for Missing {
    fn from(error: Malformed) -> Self {
        Self::Types(error)
    }
}

/// The types that are looked for by name.
#[derive(Debug, Default)]
struct Named<'a> {
    target: Option<u32>,
    cast: Option<u32>,
    structures: Vec<(&'static str, Type<'a>)>,
}

impl<'a> Named<'a> {
    fn see(&mut self, found: &Type<'a>) {
        match found.kind {
            FUNC if found.is_named(TARGET) => self.target = Some(found.id),
            FUNC if found.is_named(CAST) => self.cast = Some(found.id),
            STRUCT => {
                let kinds = KINDS.iter().map(|kind| kind.structure);
                let mut names = kinds.chain(["bpf_link", "perf_event"]);
                if let Some(name) = names.find(|name| found.is_named(name)) {
                    self.structures.push((name, *found));
                }
            }
            _ => {}
        }
    }

    fn structure(&self, name: &str) -> Option<Type<'a>> {
        let mut structures = self.structures.iter();
        let (_, found) = structures.find(|(known, _)| *known == name)?;
        Some(*found)
    }
}

struct Look<'a, 'b> {
    index: &'b Index<'a>,
    named: &'b Named<'a>,
}

impl<'a> Look<'a, '_> {
    fn kind(&self, kind: &KindFields) -> Option<KindPlan> {
        let structure = self.named.structure(kind.structure)?;
        let link = self.index.member(&structure, kind.link)?;
        let fields = kind.fields.iter();
        let fields = fields.filter_map(|ways| Some((ways.0, self.first(&structure, ways)?)));
        Some(KindPlan {
            kind: kind.kind,
            structure: structure.id,
            link: offset(link.offset)?,
            fields: fields.collect(),
        })
    }

    /// The first of the ways that there is.
    fn first(&self, structure: &Type<'a>, (field, ways): &Ways) -> Option<Way> {
        let room = field.place().size();
        ways.iter().find_map(|way| self.way(structure, way, room))
    }

    /// The way to a number of at most so many bytes.
    fn way(&self, structure: &Type<'a>, way: &str, room: u32) -> Option<Way> {
        let (over, last) = match way.rsplit_once("->") {
            Some((over, last)) => (Some(over), last),
            None => (None, way),
        };
        let mut inside = *structure;
        let mut pointers = Vec::new();
        for pointer in over.into_iter().flat_map(|over| over.split("->")) {
            let (name, cast) = match pointer.split_once('(') {
                Some((name, cast)) => (name, Some(cast.strip_suffix(')')?)),
                None => (pointer, None),
            };
            let member = self.index.member(&inside, name)?;
            inside = match cast {
                Some(name) => self.named.structure(name)?,
                None => self.index.pointee(member.type_id)?,
            };
            pointers.push(Pointer {
                offset: offset(member.offset)?,
                cast: cast.map(|_| inside.id),
            });
        }
        let member = self.index.member(&inside, last)?;
        let size = self.index.scalar_size(member.type_id)?;
        (matches!(size, 1 | 2 | 4 | 8) && size <= room).then_some(Way {
            pointers,
            offset: offset(member.offset)?,
            size,
        })
    }
}

/// An offset as an instruction has it.
fn offset(bytes: u32) -> Option<i16> {
    i16::try_from(bytes).ok()
}
