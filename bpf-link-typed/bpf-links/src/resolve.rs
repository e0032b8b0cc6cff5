//! Names for the ids and indices in a link.
//!
//! Each name may be missing for a reason of its own. What was read once is kept for the whole
//! listing.

mod btf;
mod cgroups;
mod devices;
mod netfilter;
mod objects;
mod perf_events;
mod symbols;

use std::cell::OnceCell;
use std::ffi::CString;
use std::path::Path;
use std::rc::Rc;

use bpf_link::{MapInfo, ProgramInfo, ProgramType};
use bpf_link_typed::{BtfId, LinkInfoRef, MapId, ProgramId, TracingInfo};

use crate::notes::Notes;
use btf::Function;
pub(crate) use cgroups::Cgroups;
pub(crate) use devices::Device;
use devices::Devices;
pub(crate) use netfilter::{family_name, hook_name};
use objects::Objects;
pub(crate) use perf_events::{event_config_name, event_type_name};
pub(crate) use symbols::Symbol;
use symbols::Symbols;

pub(crate) struct Resolver<'a> {
    notes: &'a Notes,
    objects: Objects,
    devices: Devices,
    cgroups: OnceCell<Cgroups>,
    symbols: OnceCell<Symbols>,
    btf: btf::Objects,
}

/// The function that a tracing link is attached to.
pub(crate) enum TracingTarget {
    /// A function of the kernel or of a module.
    Kernel(Function),
    /// A function of another program.
    Program {
        program: Option<Rc<ProgramInfo>>,
        function: Option<Function>,
    },
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(notes: &'a Notes) -> Self {
        Self {
            notes,
            objects: Objects::default(),
            devices: Devices::default(),
            cgroups: OnceCell::new(),
            symbols: OnceCell::new(),
            btf: btf::Objects::default(),
        }
    }

    pub(crate) fn program(&self, id: ProgramId) -> Option<Rc<ProgramInfo>> {
        self.objects.program(id, self.notes)
    }

    pub(crate) fn program_name(&self, id: ProgramId) -> Option<Rc<CString>> {
        self.objects.program_name(id, self.notes)
    }

    pub(crate) fn map(&self, id: MapId) -> Option<Rc<MapInfo>> {
        self.objects.map(id, self.notes)
    }

    /// The network device of a link that has one.
    pub(crate) fn device(&self, info: &LinkInfoRef<'_>) -> Option<Device> {
        self.devices.of(info, self.notes)
    }

    /// Where the cgroup with this id is.
    pub(crate) fn cgroup(&self, id: u64) -> Option<&Path> {
        let cgroups = self.cgroups.get_or_init(|| Cgroups::find(self.notes));
        cgroups.path(id)
    }

    /// The function of the kernel that this address is in.
    pub(crate) fn symbol(&self, address: u64) -> Option<Symbol> {
        let symbols = self.symbols.get_or_init(|| Symbols::read(self.notes));
        symbols.at(address)
    }

    /// The function of the kernel or of a module that is this type.
    pub(crate) fn function(&self, object: BtfId, type_id: u32) -> Option<Function> {
        self.btf.function(object, type_id, self.notes)
    }

    /// What a tracing link is attached to. The link has the id of a program or of a BTF object
    /// without saying which; the attached program tells.
    pub(crate) fn tracing_target(&self, info: &TracingInfo) -> Option<TracingTarget> {
        let object = info.target_obj_id?;
        let type_id = info.target_btf_id?.get();
        let program = self.program(info.program_id?)?;
        let of_kernel = program
            .attach_btf_obj_id
            .is_some_and(|id| id.get() == object);
        if of_kernel || program.program_type == ProgramType::Lsm {
            let function = self.function(BtfId::new(object)?, type_id)?;
            return Some(TracingTarget::Kernel(function));
        }
        // Before Linux 6.0 the program does not say what it was loaded for, so there we cannot
        // tell.
        let of_program =
            program.program_type == ProgramType::Ext || program.attach_btf_id.is_some();
        if !of_program {
            return None;
        }
        let target = self.program(ProgramId::new(object)?);
        let types = target.as_ref().and_then(|target| target.btf_id);
        Some(TracingTarget::Program {
            function: types.and_then(|types| self.btf.function(types, type_id, self.notes)),
            program: target,
        })
    }
}
