//! Functions by their type ids in BTF objects.

use std::sync::Arc;

use bpf_link::{Btf, BtfId, BtfTypeId, Error, ProgramInfo};

use super::kept::Kept;
use super::note::{NamesOf, Notes};

/// A function that BTF describes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedFunction {
    /// The name.
    pub name: String,
    /// The module that it is in; `None` for a function of the kernel itself or of a program.
    pub module: Option<String>,
}

/// The function that a tracing link is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TracingTarget {
    /// A function of the kernel or of a module.
    Kernel(TracedFunction),
    /// A function of another program.
    Program {
        /// The program; `None` if it could not be asked about, or is gone.
        program: Option<Arc<ProgramInfo>>,
        /// The function; `None` if the program's types could not be read.
        function: Option<TracedFunction>,
    },
}

/// The BTF objects that have been asked for.
#[derive(Debug, Default)]
pub(super) struct Objects(Kept<BtfId, Arc<Btf>>);

impl Objects {
    /// The function that is this type of this object.
    pub(super) fn function(
        &self,
        object: BtfId,
        type_id: u32,
        notes: &Notes,
    ) -> Option<TracedFunction> {
        let object = self.0.get(object, || ask(object, notes))?;
        let name = object.function_name(BtfTypeId::new(type_id)?)?;
        let module = object.module_name();
        Some(TracedFunction {
            name: name.to_owned(),
            module: module.map(|module| module.to_string_lossy().into_owned()),
        })
    }

    pub(super) fn refresh(&mut self) {
        self.0.refresh();
    }
}

fn ask(id: BtfId, notes: &Notes) -> Option<Arc<Btf>> {
    match Btf::from_id(id) {
        Ok(object) => Some(Arc::new(object)),
        Err(Error::Vanished(_)) => None,
        Err(error) => {
            notes.add(NamesOf::BtfFunctions, error);
            None
        }
    }
}
