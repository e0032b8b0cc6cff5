//! A place for a link of each kind: what there is to attach to, and two programs or maps that can
//! be put there.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use bpf_link::{AttachType, LinkCreate, LinkKind, RawLink};
use bpf_link_tests::{CongestionControl, Hook, Program, Sandbox, names};

use crate::kinds::KINDS;

/// A place for one link at a time. No two places are in each other's way.
pub(crate) struct Place {
    pub(crate) kind: LinkKind,
    pub(crate) objects: [Object; 2],
    pub(crate) make: Box<Make>,
}

/// Makes a link of this object.
pub(crate) type Make = dyn Fn(&Object) -> Result<RawLink> + Send + Sync;

/// What can be put on a link: a program, or a map of `struct_ops`.
#[derive(Debug)]
pub(crate) struct Object {
    fd: OwnedFd,
    /// The program's id; none for a map.
    pub(crate) program: Option<u32>,
    /// The map's id; none for a program.
    pub(crate) map: Option<u32>,
}

impl AsFd for Object {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Object {
    pub(crate) fn program(program: Program) -> Result<Self> {
        let id = program.id()?;
        Ok(Self {
            fd: program.into(),
            program: Some(id),
            map: None,
        })
    }

    pub(crate) fn map(map: CongestionControl) -> Result<Self> {
        let id = map.id()?;
        Ok(Self {
            fd: map.into(),
            program: None,
            map: Some(id),
        })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)
    }
}

impl Place {
    pub(crate) fn new(
        kind: LinkKind,
        load: impl Fn() -> Result<Program>,
        make: impl Fn(&Object) -> Result<RawLink> + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self {
            kind,
            objects: [Object::program(load()?)?, Object::program(load()?)?],
            make: Box::new(make),
        })
    }

    /// Makes the link, of one of the objects.
    pub(crate) fn make(&self, object: &Object) -> Result<RawLink> {
        (self.make)(object)
    }
}

/// How the place of a kind is made, for a thread of this number.
pub(crate) type MakePlace = fn(&Sandbox, usize) -> Result<Place>;

/// Makes what a process makes once, and what all places share.
pub(crate) fn prepare(sandbox: &Sandbox) -> Result<()> {
    std::fs::create_dir(sandbox.bpffs().join(super::slot::TAKEN))?;
    // The first use of each kind fills caches, and asks for every need.
    drop(all(sandbox, 0, &mut Vec::new())?);
    bpf_link_tests::eventually_holds("the programs have gone", || {
        Ok(bpf_link_tests::links::programs_named(names::prefix())?.is_empty())
    })
}

/// A place of each kind that this kernel has, for the thread of this number; why it has none of
/// the others.
pub(crate) fn all(
    sandbox: &Sandbox,
    thread: usize,
    missing: &mut Vec<String>,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for kind in KINDS {
        let mut absent = None;
        for need in kind.needs_to_soak() {
            absent = absent.or(need.missing()?);
        }
        match absent {
            Some(why) => missing.push(format!("no {}: {why}", kind.kind)),
            None => {
                places.push((kind.place)(sandbox, thread).with_context(|| kind.kind.to_string())?);
            }
        }
    }
    Ok(places)
}

pub(crate) fn request(object: &Object, hook: Hook) -> LinkCreate<'_> {
    LinkCreate::new(object, AttachType::from_raw(hook.attach_type))
}
