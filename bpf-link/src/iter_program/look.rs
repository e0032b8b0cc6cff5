//! Finds the fields that a program reads, by name, in the kernel's types.

use std::ffi::CString;
use std::io;

use crate::btf::index::Index;
use crate::btf::types::{FUNC, Malformed, STRUCT, Type, Types};
use crate::error::{Command, CommandError, Error, Result, Target};
use crate::sys;

const CAST: &str = "bpf_rdonly_cast";

/// The way to a number, or to an array of bytes: over pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) offset: i16,
    /// How many bytes it takes: a number 1, 2, 4 or 8.
    pub(crate) size: u32,
}

impl Way {
    /// The way to so many bytes after the beginning of what this one leads to.
    pub(crate) fn part(&self, after: i16, size: u32) -> Option<Self> {
        Some(Self {
            pointers: self.pointers.clone(),
            offset: self.offset.checked_add(after)?,
            size,
        })
    }
}

/// A pointer on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) offset: i16,
    /// What it points to, where its type does not say.
    pub(crate) cast: Option<u32>,
}

/// What a program needs of the kernel's types.
#[derive(Debug)]
pub(crate) struct Wanted<'n> {
    /// The function that such iterators are attached to.
    pub(crate) target: &'static str,
    /// The structures where ways begin, and those that pointers without a type point to.
    pub(crate) structures: &'n [&'static str],
}

/// The kernel has no structure of this name, or not as this release knows it.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) &'static str);

/// The kernel's types, with those that are looked for by name.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    index: Index<'a>,
    structures: Vec<(&'static str, Type<'a>)>,
    /// The function that such iterators are attached to.
    pub(crate) target: u32,
    /// The function that gives a pointer a type; `None` before Linux 6.2.
    pub(crate) cast: Option<i32>,
}

/// Reads the kernel's types, and looks up in them.
pub(crate) fn look_up<T>(
    wanted: &Wanted<'_>,
    find: impl FnOnce(&Look<'_>) -> Result<T, Missing>,
) -> Result<T> {
    let refused = |source| refused(Target::path(sys::KernelTypes::PATH.as_ref()), source);
    let types = sys::KernelTypes::read().map_err(refused)?;
    let look = match Look::new(&types, wanted) {
        Ok(Some(look)) => look,
        Ok(None) => return Err(without(wanted.target)),
        Err(error) => return Err(refused(io::Error::other(error))),
    };
    find(&look).map_err(|Missing(structure)| {
        refused(io::Error::other(format!(
            "no struct {structure} in them, or not one that this release knows"
        )))
    })
}

/// The error of a kernel in which pointers cannot be given a type.
pub(crate) fn without_cast() -> Error {
    without(CAST)
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

impl<'a> Look<'a> {
    /// `None` if the kernel does not have such iterators.
    fn new(bytes: &'a [u8], wanted: &Wanted<'_>) -> Result<Option<Self>, Malformed> {
        let mut target = None;
        let mut cast = None;
        let mut structures = Vec::new();
        let index = Index::new(Types::new(bytes)?, |found| match found.kind {
            FUNC if found.is_named(wanted.target) => target = Some(found.id),
            FUNC if found.is_named(CAST) => cast = i32::try_from(found.id).ok(),
            STRUCT => {
                let mut names = wanted.structures.iter();
                if let Some(name) = names.find(|name| found.is_named(name)) {
                    structures.push((*name, *found));
                }
            }
            _ => {}
        })?;
        Ok(target.map(|target| Self {
            index,
            structures,
            target,
            cast,
        }))
    }

    pub(crate) fn structure(&self, name: &'static str) -> Result<Type<'a>, Missing> {
        self.named(name).ok_or(Missing(name))
    }

    fn named(&self, name: &str) -> Option<Type<'a>> {
        let mut structures = self.structures.iter();
        let (_, found) = structures.find(|(known, _)| *known == name)?;
        Some(*found)
    }

    /// How far inside a structure this member is.
    pub(crate) fn offset(&self, structure: &Type<'a>, member: &str) -> Option<i16> {
        offset(self.index.member(structure, member)?.offset)
    }

    /// The first of these ways that exists in this kernel, to a number of at most so many bytes.
    ///
    /// A way is written like a C expression: members of structures with dots, and `->` after a
    /// pointer. If the kernel declares the pointer as `void *`, brackets say what it points to.
    pub(crate) fn number(&self, structure: &Type<'a>, ways: &[&str], room: u32) -> Option<Way> {
        self.first(structure, ways, |type_id| {
            let size = self.index.scalar_size(type_id)?;
            (matches!(size, 1 | 2 | 4 | 8) && size <= room).then_some(size)
        })
    }

    /// The same to an array of bytes.
    pub(crate) fn bytes(&self, structure: &Type<'a>, ways: &[&str]) -> Option<Way> {
        self.first(structure, ways, |type_id| {
            self.index.bytes_of_array(type_id)
        })
    }

    fn first(
        &self,
        structure: &Type<'a>,
        ways: &[&str],
        size: impl Fn(u32) -> Option<u32>,
    ) -> Option<Way> {
        ways.iter().find_map(|way| self.way(structure, way, &size))
    }

    fn way(
        &self,
        structure: &Type<'a>,
        way: &str,
        size: impl Fn(u32) -> Option<u32>,
    ) -> Option<Way> {
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
                Some(name) => self.named(name)?,
                None => self.index.pointee(member.type_id)?,
            };
            pointers.push(Pointer {
                offset: offset(member.offset)?,
                cast: cast.map(|_| inside.id),
            });
        }
        let member = self.index.member(&inside, last)?;
        Some(Way {
            pointers,
            offset: offset(member.offset)?,
            size: size(member.type_id)?,
        })
    }
}

/// An offset as an instruction has it.
fn offset(bytes: u32) -> Option<i16> {
    i16::try_from(bytes).ok()
}
