//! Functions by their type ids in BTF objects.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use bpf_link::{Btf, Error};
use bpf_link_typed::{BtfId, BtfTypeId};

use crate::notes::Notes;

const WHAT: &str = "some functions are shown as type ids";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The module that it is in, if it is in one.
    pub(crate) module: Option<Rc<str>>,
}

/// The BTF objects that have been asked for.
#[derive(Default)]
pub(super) struct Objects {
    objects: RefCell<HashMap<BtfId, Option<Rc<Btf>>>>,
    /// Keeps the kernel's BTF open, which module BTF refers to.
    kernel: OnceCell<Option<Btf>>,
}

impl Objects {
    /// The function that this type of this object is.
    pub(super) fn function(&self, object: BtfId, type_id: u32, notes: &Notes) -> Option<Function> {
        let object = self.object(object, notes)?;
        let name = object.function_name(BtfTypeId::new(type_id)?)?;
        Some(Function {
            name: name.to_owned(),
            module: object
                .module_name()
                .map(|name| name.to_string_lossy().into()),
        })
    }

    fn object(&self, id: BtfId, notes: &Notes) -> Option<Rc<Btf>> {
        if let Some(known) = self.objects.borrow().get(&id) {
            return known.clone();
        }
        self.kernel.get_or_init(|| Btf::of_kernel().ok());
        let object = match Btf::from_id(id) {
            Ok(object) => Some(Rc::new(object)),
            Err(Error::Vanished(_)) => None,
            Err(error) => {
                notes.refused(WHAT, &error);
                None
            }
        };
        self.objects.borrow_mut().insert(id, object.clone());
        object
    }
}
