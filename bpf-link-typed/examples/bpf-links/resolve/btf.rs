//! Functions by the numbers of their types in BTF objects.

mod functions;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use bpf_link::{BtfInfo, Error};
use bpf_link_typed::BtfId;

use crate::notes::Notes;
use functions::Types;

/// Where the kernel has its own types, and those of its modules.
const KERNEL: &str = "/sys/kernel/btf";
/// What the kernel itself is called there.
const VMLINUX: &str = "vmlinux";
const WHAT: &str = "functions may be shown as numbers of types";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The module that it is in, if it is in one.
    pub(crate) module: Option<Rc<str>>,
}

/// The BTF objects that have been asked for.
#[derive(Default)]
pub(super) struct Btf {
    vmlinux: OnceCell<Option<Rc<Types>>>,
    objects: RefCell<HashMap<BtfId, Option<Rc<Object>>>>,
}

struct Object {
    /// None for the kernel itself, and for what was loaded with a program.
    module: Option<Rc<str>>,
    types: Rc<Types>,
    /// What the types of a module refer to.
    base: Option<Rc<Types>>,
}

impl Btf {
    /// The function that this type of this object is.
    pub(super) fn function(&self, object: BtfId, type_id: u32, notes: &Notes) -> Option<Function> {
        let object = self.object(object, notes)?;
        let name = object.types.function(type_id, object.base.as_deref())?;
        Some(Function {
            name: name.to_owned(),
            module: object.module.clone(),
        })
    }

    fn object(&self, id: BtfId, notes: &Notes) -> Option<Rc<Object>> {
        if let Some(known) = self.objects.borrow().get(&id) {
            return known.clone();
        }
        let object = self.read(id, notes).map(Rc::new);
        self.objects.borrow_mut().insert(id, object.clone());
        object
    }

    fn read(&self, id: BtfId, notes: &Notes) -> Option<Object> {
        let refused = |error| {
            if !matches!(error, Error::Vanished(_)) {
                notes.refused(WHAT, error);
            }
        };
        let info = BtfInfo::from_id(id).map_err(refused).ok()?;
        let name = info.name.as_ref().and_then(|name| name.to_str().ok());
        match (info.is_kernel, name) {
            (Some(true), Some(VMLINUX)) => Some(Object {
                module: None,
                types: self.vmlinux(notes)?,
                base: None,
            }),
            (Some(true), Some(module)) => {
                let base = self.vmlinux(notes)?;
                Some(Object {
                    types: read_types(module, Some(&base), notes)?,
                    module: Some(module.into()),
                    base: Some(base),
                })
            }
            (Some(false), _) => {
                let data = BtfInfo::read_types(id).map_err(refused).ok()?;
                Some(Object {
                    module: None,
                    types: Rc::new(Types::parse(data, None)?),
                    base: None,
                })
            }
            _ => None,
        }
    }

    fn vmlinux(&self, notes: &Notes) -> Option<Rc<Types>> {
        let vmlinux = self
            .vmlinux
            .get_or_init(|| read_types(VMLINUX, None, notes));
        vmlinux.clone()
    }
}

fn read_types(name: &str, base: Option<&Types>, notes: &Notes) -> Option<Rc<Types>> {
    let path = Path::new(KERNEL).join(name);
    match fs::read(&path) {
        Ok(data) => {
            let types = Types::parse(data, base).map(Rc::new);
            if types.is_none() {
                notes.add(
                    WHAT,
                    format_args!("{} is of another format", path.display()),
                );
            }
            types
        }
        Err(error) => {
            notes.add(WHAT, format_args!("{}: {error}", path.display()));
            None
        }
    }
}
